"""Plays the BMP streams of a capture over real TCP connections, at the pace they were recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from collector.inputs.files import Stream

Announce = Callable[[float], Awaitable[None]]


async def play(
    streams: Sequence[Stream],
    host: str,
    port: int,
    on_time: Announce,
    then: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Send each stream on a connection of its own; call `on_time(seconds)` before each chunk.

    All streams share one time line, which starts with the first chunk of the first stream. The
    connections close when all have been sent and `then` has ended. Raises OSError where nobody
    listens.
    """
    chunks = sorted(
        (at, number, data) for number, stream in enumerate(streams) for at, data in stream.chunks
    )
    origin = chunks[0][0]
    loop = asyncio.get_running_loop()
    start = loop.time()
    writers: list[asyncio.StreamWriter] = []
    for _ in streams:
        _, writer = await asyncio.open_connection(host, port)
        writers.append(writer)
    try:
        for at, number, data in chunks:
            due = (at - origin) / 1e9
            await asyncio.sleep(max(0.0, start + due - loop.time()))
            await on_time(due)
            writers[number].write(data)
            await writers[number].drain()
        if then is not None:
            await then()
    finally:
        for writer in writers:
            writer.close()
