"""The open incidents, found by what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from anchorwatch.board.items import Items, Place, incident_item
from detectors.base import Severity
from detectors.incidents import Incident
from detectors.route import FlowspecRule

SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


class OpenIncidents:
    """The gravest first, and of these the newest."""

    def __init__(self) -> None:
        """None is open."""
        self.items = Items("severity")
        self._known: dict[str, Incident] = {}
        self._of_prefix: dict[str, dict[str, Incident]] = {}
        self._of_rule: dict[str, dict[str, Incident]] = {}

    def look(self, incidents: Iterable[Incident]) -> list[Incident]:
        """Take in what is open now; answers what is new, changed or gone, as it was and as it is.

        An incident that changes is another object: what did not change costs a look at it alone.
        """
        now = {incident.id: incident for incident in incidents}
        before = self._known
        left = [was for identity, was in before.items() if now.get(identity) is not was]
        come = [each for identity, each in now.items() if before.get(identity) is not each]
        for was in left:
            self._forget(was)
            if was.id not in now:
                self.items.drop(was.id)
        for each in come:
            self._keep(each)
            self.items.put(incident_item(each), *_gravity(each))
        self._known = now
        return left + come

    def all(self) -> list[Incident]:
        """All of them, in order."""
        return [self._known[item["id"]] for item in self.items.first()]

    def about_prefix(self, prefix: str) -> list[Incident]:
        """Those of a prefix, in order."""
        return _in_order(self._of_prefix.get(prefix, {}).values())

    def about_rule(self, rule: FlowspecRule) -> list[Incident]:
        """Those of a rule, in order: they name it with its family or without."""
        alone = self._of_rule.get(rule.rule, {}).values()
        found = [i for i in alone if i.details.get("family") in (None, rule.family)]
        return _in_order([*found, *self._of_rule.get(str(rule), {}).values()])

    def _keep(self, incident: Incident) -> None:
        for prefix in prefixes_of(incident):
            self._of_prefix.setdefault(prefix, {})[incident.id] = incident
        for text in rules_of(incident):
            self._of_rule.setdefault(text, {})[incident.id] = incident

    def _forget(self, incident: Incident) -> None:
        for index, names in (
            (self._of_prefix, prefixes_of(incident)),
            (self._of_rule, rules_of(incident)),
        ):
            for name in names:
                found = index.get(name, {})
                found.pop(incident.id, None)
                if not found:
                    index.pop(name, None)


def prefixes_of(incident: Incident) -> Iterator[str]:
    """The prefix that an incident is about."""
    prefix = incident.details.get("prefix")
    if isinstance(prefix, str):
        yield prefix


def rules_of(incident: Incident) -> Iterator[str]:
    """The texts of the rules that an incident is about, with their family or without."""
    several = incident.details.get("rules")
    texts = [incident.details.get("rule"), *(several if isinstance(several, list) else ())]
    return (text for text in texts if isinstance(text, str))


def _gravity(incident: Incident) -> Place:
    severity = SEVERITIES.index(Severity(incident.severity))
    return not incident.kill_switch, severity, -incident.opened, incident.id


def _in_order(incidents: Iterable[Incident]) -> list[Incident]:
    return sorted(incidents, key=_gravity)
