"""Get a page over HTTP or HTTPS."""

from __future__ import annotations

import httpx

from collector.inputs.probes.base import CannotProbe, ProbeFailed, bracketed, fault_of, reason_of


async def ask(address: str, what: object, timeout: float) -> None:  # noqa: ASYNC109 - of the shape
    """Well where the URL `what`, or that path at the address, answers with a status below 400.

    Raises CannotProbe.
    """
    url = str(what)
    if url.startswith("/"):
        url = f"http://{bracketed(address)}{url}"
    try:
        # A proxy would answer for it, and what is kept alive says little of new connections.
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            status = answer.status_code
    except httpx.TimeoutException:
        raise ProbeFailed(f"no answer within {timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise fault_of(error, str(error).lower() or type(error).__name__) from error
    except OSError as error:  # what comes so is no answer: the certificates cannot be read, say
        raise CannotProbe(reason_of(error)) from error
    if status >= 400:
        raise ProbeFailed(f"HTTP status {status}")
