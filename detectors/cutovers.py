"""How far a planned cutover has come, read from the routes that are seen.

A cutover runs in its window: new sites advertise, the old one withdraws, the Flowspec rules of
its `flush` policy go. Everything here is computed from the present routes, so that it is the
same after a restart.
"""

from __future__ import annotations

from detectors.intent import Cutover, Intent, Service
from detectors.routes import Routes
from detectors.sites import advertisers, live_sites


def started(intent: Intent, service: Service, now: int) -> list[Cutover]:
    """The cutovers of a service whose window has begun, over or not."""
    return [c for c in intent.cutovers_of(service.name) if c.window.start <= now]


def boundaries(intent: Intent, service: Service, now: int) -> list[int]:
    """The moments after `now` at which a window of this service begins or ends, ns."""
    return sorted(
        moment
        for cutover in intent.cutovers_of(service.name)
        for moment in (cutover.window.start, cutover.window.end)
        if moment > now
    )


def must_be_flushed(
    intent: Intent, routes: Routes, policy: str, now: int
) -> tuple[Cutover, int] | None:
    """The cutover that ends a Flowspec policy, and the time (ns) by which its rules must be gone.

    None as long as no started cutover flushes that policy, or where it has not moved its
    service: as long as the old site advertises, the rules still carry traffic.
    """
    for cutover in intent.cutovers:
        if cutover.flush != policy or cutover.window.start > now:
            continue
        service = intent.service(cutover.service)
        found = advertisers(intent, routes, service.prefix, service.rd)
        live = live_sites(found)
        if cutover.from_ in live or not set(cutover.to) & set(live):
            continue
        first_step = min(found[site].since for site in cutover.to if site in live)
        return cutover, min(first_step + cutover.deadline, cutover.window.end)
    return None
