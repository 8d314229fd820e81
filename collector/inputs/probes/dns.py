"""Ask a name server for a name."""

from __future__ import annotations

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode

from collector.inputs.probes.base import ProbeFailed, fault_of, reason_of

GOOD = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
PORT = 53


async def ask(
    address: str,
    what: object,
    timeout: float,  # noqa: ASYNC109 - of the shape
    port: int = PORT,
) -> None:
    """Well where the server knows the name `what`, or knows that there is none.

    Raises CannotProbe.
    """
    try:
        query = dns.message.make_query(str(what), "A")
        answer = await dns.asyncquery.udp(query, address, timeout=timeout, port=port)
    except dns.exception.Timeout:
        raise ProbeFailed(f"no answer within {timeout:g} s") from None
    except dns.exception.DNSException as error:
        raise fault_of(error, str(error).lower() or type(error).__name__) from error
    except OSError as error:
        raise fault_of(error, reason_of(error)) from error
    if answer.rcode() not in GOOD:
        raise ProbeFailed(f"answer {dns.rcode.to_text(answer.rcode())}")
