"""Send an ICMP echo request."""

from __future__ import annotations

import icmplib

from collector.inputs.probes.base import CannotProbe, ProbeFailed, fault_of

_HINT = "let net.ipv4.ping_group_range include its group, or give it CAP_NET_RAW"


async def ask(address: str, what: object, timeout: float) -> None:  # noqa: ASYNC109 - of the shape
    """Well where an echo reply comes within `timeout` seconds. Raises CannotProbe."""
    del what
    try:
        try:
            host = await icmplib.async_ping(address, count=1, timeout=timeout, privileged=False)
        except icmplib.SocketPermissionError:
            host = await icmplib.async_ping(address, count=1, timeout=timeout, privileged=True)
    except icmplib.SocketPermissionError as error:
        raise CannotProbe(f"this user may not send ICMP: {_HINT}") from error
    except icmplib.ICMPLibError as error:
        raise fault_of(error, str(error).lower()) from error
    if not host.is_alive:
        raise ProbeFailed(f"no reply within {timeout:g} s")
