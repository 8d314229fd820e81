"""The public vantage points of `anchorwatch run`: what is asked of them, and what is refused."""

from __future__ import annotations

from anchorwatch.errors import UserError
from anchorwatch.settings import BgpStreamSettings
from collector.inputs.bgpstream import Request, installed
from detectors.intent import Intent


def public_request(settings: BgpStreamSettings | None, intent: Intent) -> Request | None:
    """What to ask, if anything; UserError where it could not be."""
    if settings is None:
        return None
    prefixes = intent.advertised_prefixes()
    if not prefixes:
        raise UserError(
            "bgpstream: the intent names no service and no anycast address to ask the world about"
        )
    if not installed():
        raise UserError(
            "bgpstream needs pybgpstream, which is not installed: install libbgpstream, then "
            "`pip install 'anchorwatch[bgpstream]'` (docs/how-to/bgpstream.md)"
        )
    return settings.request(prefixes)
