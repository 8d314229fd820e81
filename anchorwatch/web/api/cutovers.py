"""`/api/v1/cutovers`: where cutovers stand, and the word that one is to go back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from anchorwatch.cutovers import standing
from anchorwatch.web.api.answers import MOST, RefusedError, is_json, page_by_place
from anchorwatch.web.api.endpoint import BY_PLACE, Endpoint, paged
from collector.event import rfc3339
from detectors.documents import did_you_mean
from detectors.engine import Engine
from detectors.intent import Cutover


class CutoverQuestions:
    """The handlers; `roll_back` tells the detectors that a cutover is to go back."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        clock: Callable[[], int],
        roll_back: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._roll_back = roll_back

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is asked and answered."""
        one = "/cutovers/{name:path}"
        return (
            Endpoint(
                "/cutovers",
                self.all,
                "where the cutovers of the intent stand, in its order",
                "Cutovers",
                paged(BY_PLACE, MOST),
                (400,),
            ),
            # This comes before the other: a name may have slashes.
            Endpoint(
                f"{one}/rollback",
                self.rollback,
                "going back is wanted; answers where the cutover stands then",
                "Cutover",
                may_fail=(404, 409, 415),
                body="Nothing",
            ),
            Endpoint(one, self.one, "where one cutover stands", "Cutover", may_fail=(404,)),
        )

    async def all(self, request: Request) -> Any:
        """A page of the cutovers."""
        engine, now = self._engine(), self._clock()
        cutovers, more = page_by_place(engine.intent.cutovers, request, MOST)
        told = [standing(engine, cutover, now) for cutover in cutovers]
        return {"time": rfc3339(now), "cutovers": told, **more}

    async def one(self, request: Request) -> Any:
        """One cutover."""
        return standing(self._engine(), self._named(request), self._clock())

    async def rollback(self, request: Request) -> Any:
        """Say that one is to go back."""
        # A page of another site cannot send this type, so it cannot ask for a rollback either.
        if not is_json(request):
            raise RefusedError(415, "send it as application/json")
        cutover = self._named(request)
        if not self._engine().may_go_back(cutover, self._clock()):
            why = "has not begun, or a later one has: there is no way back"
            raise RefusedError(409, f"cutover {cutover.name} {why}")
        self._roll_back(cutover.name)
        return standing(self._engine(), cutover, self._clock())

    def _named(self, request: Request) -> Cutover:
        name = request.path_params["name"]
        known = {cutover.name: cutover for cutover in self._engine().intent.cutovers}
        if name not in known:
            hint = did_you_mean(name, known)
            raise RefusedError(404, f"the intent has no cutover {name!r}{hint}")
        return known[name]
