"""What other detectors ask of planned cutovers: who is at home now, and what is under way.

A cutover runs in its window: new sites advertise, the old one withdraws, the Flowspec rules of
its `flush` policy go. The rule `cutover` keeps how far each has come; this only reads it.
"""

from __future__ import annotations

from detectors.intent import Cutover, Intent, Service
from detectors.progress import Progress
from detectors.routes import Routes


def progress_of(routes: Routes, cutover: Cutover) -> Progress | None:
    """How far a cutover has come in this window of its, or None before it.

    Whoever gives it more time goes on with it: a window that begins when the last one did, or that
    overlaps it while the move is not complete, is the same one.
    """
    known = routes.cutovers.get(cutover.name)
    if known is None:
        return None
    start, end = known.window
    overlaps = cutover.window.start < end and start < cutover.window.end
    same = start == cutover.window.start or (overlaps and not known.complete)
    return known if same else None


def new_progress(cutover: Cutover) -> Progress:
    """Of a cutover that has not come to its window."""
    start, end = cutover.window
    plan = cutover.rehearsal_of or cutover.name
    return Progress(name=cutover.name, plan=plan, window=(start, end))


def homes(intent: Intent, routes: Routes, service: Service) -> list[str]:
    """The sites that should advertise a service, after the cutovers that are complete."""
    sites = list(service.home)
    for cutover in intent.cutovers_of(service.name):
        progress = progress_of(routes, cutover)
        if progress is not None and progress.complete:
            sites = [site for site in sites if site not in (cutover.from_, *cutover.to)]
            sites += cutover.to
    return sites


def under_way(intent: Intent, routes: Routes, service: Service, now: int) -> Cutover | None:
    """The cutover of a service that has taken its first step and is not at its end.

    It may be late: then its own incident says so. A later one ends it.
    """
    begun = [c for c in intent.cutovers_of(service.name) if c.window.start <= now]
    for cutover in begun[-1:]:
        progress = progress_of(routes, cutover)
        if progress is not None and progress.running:
            return cutover
    return None


def may_advertise(intent: Intent, routes: Routes, service: Service, now: int) -> set[str]:
    """The sites that may advertise a service now: its home, and both ends of what is under way."""
    current = under_way(intent, routes, service, now)
    return {*homes(intent, routes, service), *((current.from_, *current.to) if current else ())}


def superseded_by(intent: Intent, cutover: Cutover, now: int) -> Cutover | None:
    """The later cutover of the same service whose window has begun, which ends this one."""
    later = [
        other
        for other in intent.cutovers_of(cutover.service)
        if cutover.window.start < other.window.start <= now
    ]
    return later[-1] if later else None


def may_go_back(intent: Intent, routes: Routes, cutover: Cutover, now: int) -> bool:
    """Whether there is something to go back from: it has begun, and no later one has."""
    progress = progress_of(routes, cutover)
    begun = progress is not None and bool(progress.begun or progress.complete)
    return begun and superseded_by(intent, cutover, now) is None


def boundaries(intent: Intent, service: Service, now: int) -> list[int]:
    """The moments after `now` at which a window of this service begins or ends, ns."""
    return sorted(
        moment
        for cutover in intent.cutovers_of(service.name)
        for moment in (cutover.window.start, cutover.window.end)
        if moment > now
    )


def ended_by(intent: Intent, routes: Routes, policy: str) -> tuple[Cutover, int] | None:
    """The complete cutover that has ended a Flowspec policy, and when (ns)."""
    for cutover in intent.cutovers:
        progress = progress_of(routes, cutover) if cutover.flush == policy else None
        if progress is not None and progress.complete:
            return cutover, progress.complete
    return None
