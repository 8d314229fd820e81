"""Connect to a TCP port."""

from __future__ import annotations

import asyncio
import contextlib

from collector.inputs.probes.base import ProbeFailed, fault_of, reason_of


async def ask(address: str, what: object, timeout: float) -> None:  # noqa: ASYNC109 - of the shape
    """Well where the port `what` takes a connection in `timeout` seconds. Raises CannotProbe."""
    port = int(str(what))
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        raise ProbeFailed(f"no connection within {timeout:g} s") from None
    except OSError as error:
        raise fault_of(error, reason_of(error)) from error
    writer.close()
    with contextlib.suppress(OSError):  # it was there: how it goes is its own affair
        await writer.wait_closed()
