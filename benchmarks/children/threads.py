"""One session, and two at a time in threads of their own: `threads.py STREAM ROUNDS`."""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common, sessions


def decode(data: bytes, sessions_at_once: int) -> float:
    """Seconds until all sessions have made all blocks of the stream, in memory."""
    running = [
        threading.Thread(target=sessions.decode, args=(data, sessions.Count()))
        for _ in range(sessions_at_once)
    ]
    begun = time.perf_counter()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return time.perf_counter() - begun


def main() -> None:
    """Measure in turn."""
    data = Path(sys.argv[1]).read_bytes()
    works = {
        "one_s": functools.partial(decode, data, 1),
        "two_s": functools.partial(decode, data, 2),
    }
    print(json.dumps(common.in_turn(works, int(sys.argv[2]))))


if __name__ == "__main__":
    main()
