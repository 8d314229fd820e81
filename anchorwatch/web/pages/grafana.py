"""Links from a page to the dashboards in Grafana, in the time that the page is about."""

from __future__ import annotations

from urllib.parse import urlencode

from collector.store.evidence import Evidence

Link = tuple[str, str]
"""Where it leads, and what it is called."""
MOST = 4
"""Links of one page."""
_MS = 1_000_000
NEAR = 60_000_000_000
"""Nanoseconds that are shown before and after what a page is about."""


class Grafana:
    """The dashboards at an address; without one there are no links."""

    def __init__(self, url: str | None) -> None:
        self._url = url.rstrip("/") if url else ""

    def incident(self, evidence: Evidence) -> list[Link]:
        """What its prefixes did, its cutover, and the rules where it speaks of any."""
        between = evidence.since, evidence.until
        cutovers = dict.fromkeys(each["details"].get("cutover") for each in evidence.transitions)
        links = [
            *(link for name in cutovers if name for link in self.cutover(str(name), *between)),
            *(link for prefix in evidence.prefixes for link in self.prefix(prefix, *between)),
        ]
        if evidence.rules:
            links += self._to("flowspec", "Flowspec rules", between)
        return links[:MOST]

    def prefix(self, prefix: str, since: int, until: int) -> list[Link]:
        """What a prefix did between two times (ns)."""
        return self._to("forensics", f"forensics of {prefix}", (since, until), prefix=prefix)

    def cutover(self, name: str, since: int, until: int) -> list[Link]:
        """The cutover room of this one between two times (ns)."""
        between = since - NEAR, until + NEAR
        return self._to("cutover", f"cutover {name}", between, cutover=name)

    def _to(
        self, dashboard: str, words: str, between: tuple[int, int], **variables: str
    ) -> list[Link]:
        if not self._url:
            return []
        since, until = (str(at // _MS) for at in between)
        named = {f"var-{name}": value for name, value in variables.items()}
        query = urlencode({**named, "from": since, "to": until})
        return [(f"{self._url}/d/anchorwatch-{dashboard}?{query}", words)]
