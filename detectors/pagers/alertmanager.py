"""Prometheus Alertmanager, API version 2."""

from __future__ import annotations

import json
from typing import Any

import httpx

from collector.event import rfc3339
from detectors.incidents import Incident, State
from detectors.pagers.base import TIMEOUT, post

DAY = 86_400_000_000_000
REPEAT = 60.0
RAW_DIGITS = 512


class AlertmanagerPager:
    """One alert for each incident, told by its `incident` label.

    Alertmanager forgets alerts when it restarts and resolves those it does not hear of, so open
    incidents are told again every minute, with an end that is a day ahead: nothing is resolved
    because data stopped. Severity is a label, for routing; when it changes, the alert with the old
    severity is ended in the same request.
    """

    repeat_every: float | None = REPEAT

    def __init__(self, url: str, name: str = "alertmanager") -> None:
        self.name = name
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._client = httpx.AsyncClient(timeout=TIMEOUT)
        self._severity: dict[str, str] = {}

    async def send(self, incident: Incident) -> None:
        """Fire or resolve the incident's alert. Raises PageError."""
        alerts = [_alert(incident, incident.severity, ended=incident.state == State.RESOLVED)]
        before = self._severity.get(incident.id, incident.severity)
        if before != incident.severity:
            alerts.append(_alert(incident, before, ended=True))
        await post(self._client, self._url, alerts, {})
        if incident.state == State.RESOLVED:
            self._severity.pop(incident.id, None)
        else:
            self._severity[incident.id] = incident.severity

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()


def _alert(incident: Incident, severity: str, *, ended: bool) -> dict[str, Any]:
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
            "kill_switch": str(incident.kill_switch).lower(),
        },
        "annotations": annotations,
        "startsAt": rfc3339(incident.opened),
        "endsAt": rfc3339(incident.time if ended else incident.time + DAY),
    }
