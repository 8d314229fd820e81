"""Prometheus Alertmanager, API version 2."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import httpx

from collector.event import rfc3339
from detectors.incidents import Incident, State
from detectors.pagers.base import TIMEOUT, post

DAY = 86_400_000_000_000
REPEAT = 60.0
RAW_DIGITS = 512
SEVERITIES = ("info", "warning", "critical")
_Routing = tuple[str, bool]
"""Those labels that can change during an incident: severity and kill switch."""


class AlertmanagerPager:
    """One alert for each incident, told by its `incident` label.

    Alertmanager forgets alerts when it restarts and resolves those it does not hear of, so open
    incidents are told again every minute, with an end a day after the telling: nothing is resolved
    because data stopped. Severity and kill switch are labels, for routing, and labels are what
    tells alerts apart; when one changes, the alert with the old ones is ended in the same request.
    Which labels were told last is kept in memory alone, so after a restart the first telling of an
    incident that is past `open` ends every other alert that it can have had (Alertmanager notifies
    nobody of an end without a beginning).
    """

    repeat_every: float | None = REPEAT

    def __init__(
        self, url: str, name: str = "alertmanager", generator_url: str | None = None
    ) -> None:
        self.name = name
        self._link = {"generatorURL": generator_url} if generator_url else {}
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._client = httpx.AsyncClient(timeout=TIMEOUT)
        self._told: dict[str, _Routing] = {}

    async def send(self, incident: Incident) -> None:
        """Fire or resolve the incident's alert. Raises PageError."""
        routing = (incident.severity, incident.kill_switch)
        alerts = [_alert(incident, routing, ended=incident.state == State.RESOLVED)]
        alerts += [_alert(incident, old, ended=True) for old in self._before(incident, routing)]
        await post(self._client, self._url, [{**alert, **self._link} for alert in alerts], {})
        if incident.state == State.RESOLVED:
            self._told.pop(incident.id, None)
        else:
            self._told[incident.id] = routing

    def _before(self, incident: Incident, routing: _Routing) -> list[_Routing]:
        """The labels of alerts about the incident that may still fire, other than these."""
        told = self._told.get(incident.id)
        if told is not None:
            possible = [told]
        elif incident.state == State.OPEN:
            possible = []
        else:
            possible = list(itertools.product(SEVERITIES, (False, True)))
        return [old for old in possible if old != routing]

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()


def _alert(incident: Incident, routing: _Routing, *, ended: bool) -> dict[str, Any]:
    severity, kill_switch = routing
    first = incident.evidence[0] if incident.evidence else None
    annotations = {
        "summary": incident.summary,
        "state": incident.state,
        "details": json.dumps(incident.details),
    }
    if first is not None:
        annotations["router"] = first.router
        annotations["raw"] = (first.raw or b"").hex()[:RAW_DIGITS]
    return {
        "labels": {
            "alertname": incident.detector,
            "key": incident.key,
            "severity": severity,
            "incident": incident.id,
            "kill_switch": str(kill_switch).lower(),
        },
        "annotations": annotations,
        "startsAt": rfc3339(incident.opened),
        "endsAt": rfc3339(incident.time if ended else time.time_ns() + DAY),
    }
