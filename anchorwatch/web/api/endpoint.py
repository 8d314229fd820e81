"""One question of the API: its address, who answers it, and what its document says of it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.routing import Route

from anchorwatch.web.api.answers import LIMIT, MOST, Handler, answering
from anchorwatch.web.api.schemas import TEXT, Schema

PATH = "/api/v1"
BY_PLACE: Schema = {**TEXT, "pattern": r"^[0-9]{1,9}$"}
"""The `after` of a list that keeps its order: how many items came before."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question may say behind the `?`."""

    name: str
    meaning: str
    schema: Schema
    required: bool = False
    example: str = ""

    def values(self) -> Schema:
        """JSON values."""
        return {
            "name": self.name,
            "in": "query",
            "required": self.required,
            "description": self.meaning,
            "schema": self.schema,
            **({"example": self.example} if self.example else {}),
        }


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One question of the API, and what is answered."""

    path: str
    """Below `/api/v1`, with `{parameters}`; one with `:path` may have slashes in it."""
    handler: Handler
    summary: str
    answers: str
    """Name of a schema."""
    parameters: tuple[Parameter, ...] = ()
    may_fail: tuple[int, ...] = ()
    """HTTP status of what is refused."""
    body: str | None = None
    """Name of the schema of what is sent; with it, the method is POST."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "GET" if self.body is None else "POST"

    def route(self) -> Route:
        """What serves it."""
        return Route(PATH + self.path, answering(self.handler), methods=[self.method])


def paged(after: Schema = TEXT, limit: int = LIMIT) -> tuple[Parameter, Parameter]:
    """The parameters of a list that comes in pages, of `limit` items where nobody says it."""
    return (
        Parameter(
            "limit",
            "how many items at most",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": limit},
        ),
        Parameter("after", "the `next` of the page before", after),
    )
