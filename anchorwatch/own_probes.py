"""Probes within `anchorwatch run`: those that are ours to carry out, and the results of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anchorwatch.probes import duties_of, expected_probes
from collector.event import Event
from collector.inputs.probes.intake import ProbeIntake
from collector.inputs.probes.prober import Duty, Prober, Result
from collector.inputs.probes.report import report_of
from detectors.intent import Intent


def own_duties(name: str | None, intent: Intent) -> list[Duty]:
    """What an intent would have us do; UserError where we are to be a prober and are none."""
    return duties_of(intent, name) if name is not None else []


class OwnProbes:
    """What an intent wants to have probed; `name` is what it calls us, if anything."""

    def __init__(
        self,
        name: str | None,
        on_events: Callable[[Sequence[Event]], None],
        clock: Callable[[], int],
        observe: Callable[[str, str, float], None],
    ) -> None:
        """Nothing is probed and no result is expected before `use`."""
        self._name = name
        self.intake = ProbeIntake((), on_events, clock, observe)
        self._prober = Prober((), self._take)

    async def use(self, intent: Intent) -> None:
        """Take the results that an intent wants, and carry out those of its probes that are ours.

        Raises UserError where `own_duties` does.
        """
        duties = own_duties(self._name, intent)
        await self._prober.close()
        self._prober = Prober(duties, self._take)
        self.intake.expect(expected_probes(intent))
        self.intake.begin()
        self._prober.start()

    async def close(self) -> None:
        """Carry out nothing any more."""
        await self._prober.close()

    def _take(self, result: Result) -> None:
        self.intake.take(report_of(self._name or "", [result]), "")
