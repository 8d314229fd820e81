"""Stories of one cutover: as planned, and with each fault that it can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from collector.event import rfc3339
from tests.simulation.network import LONGEST, SECOND, SHOP, START, FeedOf, Happening

KILL_SWITCH = "destination 0.0.0.0/0 port =179"
WINDOW = (60 * SECOND, 900 * SECOND)
END = 1500 * SECOND
MS = 1_000_000


@dataclass(slots=True)
class Plan:
    """One cutover, and when its steps are taken; times are ns after the start."""

    to: list[str]
    rules: list[str]
    max_gap: int
    begins: int
    moves: int
    """The old site withdraws."""
    flushes: int
    max_overlap: int = 30 * SECOND
    deadline: int = 120 * SECOND
    hold: int = 5 * SECOND

    def intent(self) -> str:
        """The intent that has it."""
        opens, closes = (rfc3339(START + moment) for moment in WINDOW)
        sites = "".join(
            f"  {name}: {{match: [{{peer: {address}}}, {{next_hop: {address}}}]}}\n"
            for name, address in _SITES.items()
        )
        return f"""
version: 1
sites:
{sites}
services:
  - {{name: web, prefix: 192.0.2.50/32, home: [legacy-pe], hold: {self.hold // MS}ms}}
  - {{name: shop, prefix: {SHOP}, home: [legacy-pe], hold: {self.hold // MS}ms}}
flowspec:
  - {{name: migration, destination: [192.0.2.50/32], protocol: [tcp],
     destination_port: [1024-65535], actions: [sample]}}
protect: [tcp/179]
cutovers:
  - {{name: move, service: web, from: legacy-pe, to: [{", ".join(self.to)}],
     window: [{opens}, {closes}], deadline: {self.deadline // MS}ms,
     max_overlap: {self.max_overlap // MS}ms, max_gap: {self.max_gap // MS}ms, flush: migration}}
"""

    def start(self) -> list[Happening]:
        """What is there before the first event."""
        return [
            Happening(0, "advertise", "legacy-pe"),
            Happening(0, "advertise", "legacy-pe", SHOP),
            *(Happening(0, "add", rule) for rule in self.rules),
        ]

    def steps(self) -> list[Happening]:
        """The steps as they are planned."""
        return [
            *(Happening(self.begins + i * SECOND, "advertise", s) for i, s in enumerate(self.to)),
            Happening(self.moves, "withdraw", "legacy-pe"),
            *self.flush(self.flushes),
        ]

    def flush(self, at: int) -> list[Happening]:
        """All rules go, one after the other."""
        return [Happening(at + i * SECOND // 10, "delete", r) for i, r in enumerate(self.rules)]


_SITES = {"legacy-pe": "10.0.0.1", "new-pe1": "10.0.1.1", "new-pe2": "10.0.1.2"}


@dataclass(slots=True)
class Story:
    """What happens, and what must be told of it."""

    plan: Plan
    happenings: list[Happening]
    detector: str = ""
    """Which one pages; none where empty."""
    key: str = "move"
    fault: str = ""
    earliest: int = 0
    """It may not open before, ns after the start."""
    latest: int = 0
    """And must be open by then."""


def some_plan(random: Random) -> Plan:
    """A plan that is kept, whatever the delays."""
    begins = WINDOW[0] + random.randint(0, 120 * SECOND)
    moves = begins + random.randint(4, 20) * SECOND
    ports = random.sample(range(1024, 65536), random.randint(1, 5))
    return Plan(
        to=random.choice([["new-pe1"], ["new-pe1", "new-pe2"]]),
        rules=[f"destination 192.0.2.50/32 protocol =6 destination-port ={p}" for p in ports],
        max_gap=random.choice([0, SECOND, 3 * SECOND]),
        begins=begins,
        moves=moves,
        flushes=moves + random.randint(4, 40) * SECOND,
    )


def clean(random: Random, feeds: list[FeedOf]) -> Story:
    """Done right: at once, after a rollback that was asked for, or with a feed that is lost."""
    plan = some_plan(random)
    kind = random.choice(["plain", "plain", "asked", "asked at the end", "blind"])
    story = [*plan.start(), *plan.steps()]
    if kind == "asked":
        asked = plan.moves + random.randint(-2, 3) * SECOND
        story = [each for each in story if each.at < asked] + _back(plan, asked)
    elif kind == "asked at the end":
        story += _back(plan, plan.flushes + 20 * SECOND)
    elif kind == "blind":
        feed = random.choice(feeds).name
        lost = random.randint(plan.begins - 20 * SECOND, plan.flushes)
        back = lost + random.randint(1, 100) * SECOND
        story += [Happening(lost, "lose", feed), Happening(back, "return", feed)]
    return Story(plan, story)


def _back(plan: Plan, asked: int) -> list[Happening]:
    """Somebody asks to go back, and it is done."""
    restored = asked + 5 * SECOND
    return [
        Happening(asked, "rollback", "move"),
        Happening(restored, "advertise", "legacy-pe"),
        *(Happening(restored + 5 * SECOND, "withdraw", site) for site in plan.to),
        *(Happening(restored + 9 * SECOND, "add", rule) for rule in plan.rules),
    ]


def shows_all(feeds: list[FeedOf]) -> str:
    """A router that shows all paths; best paths alone hide what is not the best."""
    for feed in feeds:
        if feed.router == feeds[0].router:
            feed.shape = "sessions"
    return feeds[0].router


# Faults


def _withdrawn_before_new(random: Random, plan: Plan, _: list[FeedOf]) -> Story:
    gone = plan.begins
    late = gone + plan.max_gap + random.randint(4, 60) * SECOND
    new = [Happening(late + i, "advertise", site) for i, site in enumerate(plan.to)]
    steps = [Happening(gone, "withdraw", "legacy-pe"), *new, *plan.flush(late + 9 * SECOND)]
    return _story(plan, steps, "withdrawn_before_new", gone + plan.max_gap)


def _gap(random: Random, plan: Plan, _: list[FeedOf]) -> Story:
    gone = plan.moves + random.randint(3, 10) * SECOND
    back = gone + plan.max_gap + random.randint(4, 30) * SECOND
    steps = [each for each in plan.steps() if each.what not in ("add", "delete")]
    steps += [Happening(gone, "withdraw", site) for site in plan.to]
    steps += [Happening(back, "advertise", site) for site in plan.to]
    return _story(plan, [*steps, *plan.flush(back + 9 * SECOND)], "gap", gone + plan.max_gap)


def _overlap(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    shows_all(feeds)
    plan.moves = plan.begins + plan.max_overlap + random.randint(4, 50) * SECOND
    plan.flushes = plan.moves + 5 * SECOND
    return _story(plan, plan.steps(), "overlap", plan.begins + plan.max_overlap)


def _not_everywhere(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    router = random.choice(feeds).router
    there = plan.moves + random.randint(10, 50) * SECOND
    steps = [replace(e, but=router) if e.what == "advertise" else e for e in plan.steps()]
    steps += [Happening(there, "advertise", site, only=router) for site in plan.to]
    limit = max(plan.max_gap, plan.hold)
    return _story(plan, steps, "not_everywhere", plan.moves + limit)


def _flushed_before_moved(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    shows_all(feeds)
    flushes = plan.begins + random.randint(0, 5) * SECOND
    moves = flushes + plan.hold + random.randint(4, 15) * SECOND
    plan.moves, plan.flushes = moves, flushes
    gone = flushes + (len(plan.rules) - 1) * SECOND // 10
    return _story(plan, plan.steps(), "flushed_before_moved", gone + plan.hold)


def _old_returned(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    plan.flushes = plan.moves + 40 * SECOND
    back = plan.moves + random.randint(4, 30) * SECOND
    only = random.choice(["", shows_all(feeds)])
    steps = [*plan.steps(), Happening(back, "advertise", "legacy-pe", only=only)]
    gone = back + random.randint(4, 20) * SECOND
    steps.append(Happening(gone, "withdraw", "legacy-pe", only=only))
    return _story(plan, steps, "old_returned", back)


def _new_gone(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    shows_all(feeds)
    gone = plan.begins + 4 * SECOND
    back = gone + plan.hold + random.randint(4, 30) * SECOND
    plan.moves, plan.flushes = back + 6 * SECOND, back + 15 * SECOND
    steps = [*plan.steps(), *(Happening(gone, "withdraw", site) for site in plan.to)]
    steps += [Happening(back + i, "advertise", site) for i, site in enumerate(plan.to)]
    return _story(plan, steps, "new_gone", gone + plan.hold)


def _stuck(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    """The old site stays at one router, where overlap is no matter."""
    plan.max_overlap = 2000 * SECOND
    router = shows_all(feeds)
    late = plan.begins + plan.deadline + random.randint(4, 60) * SECOND
    steps = [replace(e, but=router) if e.what == "withdraw" else e for e in plan.steps()]
    steps = [each for each in steps if each.what != "delete"]
    steps.append(Happening(late, "withdraw", "legacy-pe", only=router))
    steps += plan.flush(late + 5 * SECOND)
    return _story(plan, steps, "stuck", plan.begins + plan.deadline)


def _half(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    """One of two new sites does not come."""
    shows_all(feeds)
    plan.to = ["new-pe1", "new-pe2"]
    late = plan.begins + plan.deadline + random.randint(4, 60) * SECOND
    steps = [e for e in plan.steps() if e.who != "new-pe2" and e.what != "delete"]
    steps += [Happening(late, "advertise", "new-pe2"), *plan.flush(late + 5 * SECOND)]
    return _story(plan, steps, "stuck", plan.begins + plan.deadline)


def _leftover(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    router = random.choice(feeds).router
    late = plan.begins + plan.deadline + random.randint(4, 100) * SECOND
    left = random.choice(plan.rules)
    steps = [replace(e, but=router) if e.who == left else e for e in plan.steps()]
    steps.append(Happening(late, "delete", left, only=router))
    return _story(plan, steps, "leftover", plan.begins + plan.deadline)


def _over(random: Random, plan: Plan, _: list[FeedOf]) -> Story:
    """It begins so late that the window ends before it does."""
    begins = WINDOW[1] - random.randint(20, 40) * SECOND
    plan.begins, plan.moves = begins, begins + 8 * SECOND
    plan.flushes = WINDOW[1] + random.randint(5, 100) * SECOND
    return _story(plan, plan.steps(), "leftover", WINDOW[1])


def _not_begun(_: Random, plan: Plan, __: list[FeedOf]) -> Story:
    return _story(plan, [], "not_begun", WINDOW[1])


def _back_unasked(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    """All goes back, and nobody has said that it should; then it is said."""
    shows_all(feeds)
    back = plan.moves + random.randint(4, 10) * SECOND
    steps = [each for each in plan.steps() if each.what != "delete"]
    steps += [Happening(back, "advertise", "legacy-pe")]
    steps += [Happening(back + 4 * SECOND, "withdraw", site) for site in plan.to]
    steps += [Happening(back + 30 * SECOND, "rollback", "move")]
    return _story(plan, steps, "old_returned", back)


def _slow_back(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    """Going back was asked for, and does not come to its end."""
    shows_all(feeds)
    plan.max_overlap = 2000 * SECOND
    asked = plan.moves + 4 * SECOND
    late = asked + plan.deadline + random.randint(4, 30) * SECOND
    steps = [each for each in plan.steps() if each.what != "delete"]
    steps += [Happening(asked, "rollback", "move")]
    steps += [Happening(asked + 5 * SECOND, "advertise", "legacy-pe")]
    steps += [Happening(late, "withdraw", site) for site in plan.to]
    return _story(plan, steps, "rollback_stuck", asked + plan.deadline)


# What is none of its business


def _third_site(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    shows_all(feeds)
    at = random.randint(plan.begins, plan.flushes)
    steps = [*plan.steps(), Happening(at, "advertise", "far")]
    steps.append(Happening(at + 20 * SECOND, "withdraw", "far"))
    return _story(plan, steps, "", at, detector="dual_advertisement", key="web")


def _kill_switch(random: Random, plan: Plan, _: list[FeedOf]) -> Story:
    at = random.randint(plan.begins, plan.flushes)
    steps = [*plan.steps(), Happening(at, "add", KILL_SWITCH)]
    steps.append(Happening(at + 20 * SECOND, "delete", KILL_SWITCH))
    key = f"ipv4-flowspec {KILL_SWITCH}"
    return _story(plan, steps, "", at, detector="flowspec_policy", key=key)


def _other_service(random: Random, plan: Plan, _: list[FeedOf]) -> Story:
    at = random.randint(plan.begins, plan.flushes)
    steps = [*plan.steps(), Happening(at, "withdraw", "legacy-pe", SHOP)]
    steps.append(Happening(at + plan.hold + 20 * SECOND, "advertise", "legacy-pe", SHOP))
    when = at + plan.hold
    return _story(plan, steps, "", when, detector="unexpected_withdrawal", key="shop everywhere")


def _old_after_the_end(random: Random, plan: Plan, feeds: list[FeedOf]) -> Story:
    shows_all(feeds)
    at = plan.flushes + random.randint(10, 200) * SECOND
    steps = [*plan.steps(), Happening(at, "advertise", "legacy-pe")]
    steps.append(Happening(at + 20 * SECOND, "withdraw", "legacy-pe"))
    return _story(plan, steps, "", at, detector="dual_advertisement", key="web")


def _story(
    plan: Plan,
    steps: list[Happening],
    fault: str,
    due: int,
    *,
    detector: str = "cutover",
    key: str = "move",
) -> Story:
    """`due` is when the fault is true in the network itself."""
    return Story(
        plan, [*plan.start(), *steps], detector, key, fault, due, due + LONGEST + 2 * SECOND
    )


FAULTS: dict[str, Callable[[Random, Plan, list[FeedOf]], Story]] = {
    "withdrawn before new": _withdrawn_before_new,
    "gap": _gap,
    "overlap": _overlap,
    "not everywhere": _not_everywhere,
    "flushed before moved": _flushed_before_moved,
    "old returned": _old_returned,
    "new gone": _new_gone,
    "stuck": _stuck,
    "one of two": _half,
    "leftover": _leftover,
    "window over": _over,
    "not begun": _not_begun,
    "back unasked": _back_unasked,
    "slow back": _slow_back,
    "third site": _third_site,
    "kill switch": _kill_switch,
    "other service": _other_service,
    "old after the end": _old_after_the_end,
}
