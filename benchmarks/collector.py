"""How fast octets on a socket become stored rows: ours and pmacct's collector, each on one core.

`python benchmarks/collector.py [--quick]` prints tables and, as its last line, a JSON object.
pmbmpd is Debian's; without it the comparison is left out.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, sessions
from benchmarks.generate import Stream, cached
from benchmarks.table import Shape

Answer = dict[str, Any]


def ours(stream: Stream) -> Answer:
    """Socket to rows in a file in memory, in a process on a core of its own."""
    with common.scratch() as folder:
        command = [*common.pinned(common.COLLECTOR), *common.child("receive"), folder]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with common.running(command, **pipes) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            port = int(process.stdout.readline())
            usage = common.feed(process.pid, port, stream.bmp)
            said = common.last_line(process.communicate(timeout=20)[0])
    if said["rows"] != stream.rows:
        raise SystemExit(f"ours made {said['rows']} rows of {stream.rows}")
    return {**usage, "written_mib": said["octets"] / 2**20}


def pmbmpd(stream: Stream, program: str, *, log: bool) -> Answer:
    """The same octets into pmbmpd: without any output, or with a JSON line for each route."""
    with common.scratch() as folder:
        port, file = common.free_port(), folder / "log.json"
        settings = ["daemonize: false", "bmp_daemon_ip: 127.0.0.1", f"bmp_daemon_port: {port}"]
        settings += [f"bmp_daemon_msglog_file: {file}"] if log else []
        (folder / "pmbmpd.conf").write_text("\n".join(settings) + "\n")
        command = [*common.pinned(common.COLLECTOR), program, "-f", folder / "pmbmpd.conf"]
        with (
            (folder / "output").open("w") as output,
            common.running(command, stdout=output, stderr=output) as process,
        ):
            usage = common.feed(process.pid, port, stream.bmp)
        routes = 0
        if log:
            with file.open("rb") as lines:
                routes = sum(b'"log_type"' in line for line in lines)
            if routes != stream.rows:
                raise SystemExit(f"pmbmpd logged {routes} routes of {stream.rows}")
        written = file.stat().st_size / 2**20 if log else 0.0
    return {**usage, "written_mib": written}


def collectors(stream: Stream, rounds: int) -> Answer:
    """All collectors in turn; ratios are medians over the rounds."""
    works: dict[str, Callable[[], Answer]] = {"ours": functools.partial(ours, stream)}
    program = shutil.which("pmbmpd") or shutil.which("pmbmpd", path="/usr/sbin")
    if program:
        works["pmbmpd"] = functools.partial(pmbmpd, stream, program, log=False)
        works["pmbmpd, JSON"] = functools.partial(pmbmpd, stream, program, log=True)
    else:
        print("pmbmpd is not installed: nothing to compare with")
    found = common.in_turn(works, rounds)
    rows = [
        {
            "collector": name,
            "best s": min(each["seconds"] for each in runs),
            "median s": (middle := statistics.median(each["seconds"] for each in runs)),
            "CPU s": statistics.median(each["cpu_s"] for each in runs),
            "routes/s": round(stream.rows / middle),
            "RSS MiB": max(each["rss_mib"] for each in runs),
            "written MiB": runs[0]["written_mib"],
        }
        for name, runs in found.items()
    ]
    common.show(rows)
    answer: Answer = {"routes_per_s": rows[0]["routes/s"], "rss_mib": round(rows[0]["RSS MiB"], 1)}
    for name, key in (("pmbmpd", "none"), ("pmbmpd, JSON", "json")):
        for measured, prefix in (("seconds", "ratio"), ("cpu_s", "cpu_ratio")):
            pairs = zip(found.get(name, []), found["ours"], strict=False)
            ratios = [theirs[measured] / mine[measured] for theirs, mine in pairs]
            middle = round(statistics.median(ratios), 2) if ratios else None
            answer[f"{prefix}_pmbmpd_{key}"] = middle
    if program:
        answer["rss_mib_pmbmpd"] = round(max(row["RSS MiB"] for row in rows[1:]), 1)
    return answer


def inserting(file: Path, times: int, folder: Path, rounds: int) -> Answer:
    """How near decoding and inserting together come to inserting alone."""
    if not sessions.is_native():
        print("inserting is measured with the native decoder only")
        return {"insert_share_of_ceiling": None}
    said = common.measure("insert", file, times, folder, rounds)
    alone, both = min(said["ceiling_s"]), min(said["pipeline_s"])
    common.show(
        [
            {"into the table": name, "best s": best, "routes/s": round(said["rows"] / best)}
            for name, best in (("insert alone", alone), ("decode and insert", both))
        ]
    )
    return {
        "insert_share_of_ceiling": round(alone / both, 3),
        "insert_routes_per_s": round(said["rows"] / both),
        "insert_rss_mib": round(said["rss_mib"], 1),
    }


def two_threads(file: Path, times: int, rounds: int) -> Answer:
    """How much more two sessions in two threads decode than one, at best."""
    said = common.measure("threads", file, times, rounds)
    ratio = 2 * min(said["one_s"]) / min(said["two_s"])
    print(f"two sessions in two threads decode {ratio:.2f} times what one does")
    return {"two_threads_ratio": round(ratio, 2)}


def resident(file: Path, routes: int) -> Answer:
    """How far memory moves once a tenth of the routes has been seen."""
    said = common.measure("memory", file, routes)
    samples = said["rss_mib"][len(said["rss_mib"]) // 10 :]
    growth = max(samples) / samples[0] - 1
    print(
        f"{said['rows']:,} routes through one session: resident {samples[0]:.1f} MiB after a "
        f"tenth, at most {max(samples):.1f} MiB later"
    )
    return {
        "rss_routes": said["rows"],
        "rss_first_mib": round(samples[0], 1),
        "rss_last_mib": round(samples[-1], 1),
        "rss_growth": round(growth, 4),
    }


def main() -> None:
    """Every part in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, less exact")
    quick = parser.parse_args().quick
    slower = 1 if sessions.is_native() else 10
    # pmbmpd drops Flowspec, so there is none.
    stream = cached(Shape(routes=(150_000 if quick else 1_000_000) // slower, flowspec=0))
    rounds, times = (3, 4) if quick else (5, 2)
    print(f"{stream.rows:,} routes in {stream.updates:,} UPDATEs, {len(stream.bmp):,} octets")
    if not sessions.is_native():
        print("the fast path is not installed: ours is the decoder in Python")
    answer: Answer = {}
    with common.scratch() as folder:
        file = folder / "stream.bmp"
        file.write_bytes(stream.bmp)
        # Before this process keeps to one core: these parts want all.
        answer |= inserting(file, times, folder, 2 if quick else 5)
        answer |= two_threads(file, times if sessions.is_native() else 1, rounds + 1)
        answer |= resident(file, (10_000_000 if quick else 100_000_000) // slower**2)
    common.pin(common.FEEDER)
    answer |= collectors(stream, rounds)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
