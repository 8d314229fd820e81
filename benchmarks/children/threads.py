"""One session, and two at a time in threads of their own: `threads.py STREAM TIMES ROUNDS`.

Each session takes in the stream so many times, as one may be over before two have begun. What a
thread waits for a core does not count, what it waits for the interpreter's lock does: the question
is whether the threads hinder each other, not what else the machine has to do.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common, sessions


def decode(data: bytes, times: int) -> float:
    """Seconds to make all blocks of the stream, in memory."""
    begun, delayed = time.perf_counter(), common.delay()
    sessions.decode(data, sessions.Count(), times)
    return time.perf_counter() - begun - (common.delay() - delayed)


def at_once(count: int, data: bytes, times: int) -> float:
    """Seconds that the slowest of so many sessions needs."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        running = [pool.submit(decode, data, times) for _ in range(count)]
        return max(each.result() for each in running)


def main() -> None:
    """Measure in turn."""
    data, times, rounds = Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), int(sys.argv[3])
    works = {
        "one_s": functools.partial(at_once, 1, data, times),
        "two_s": functools.partial(at_once, 2, data, times),
    }
    print(json.dumps(common.in_turn(works, rounds)))


if __name__ == "__main__":
    main()
