"""MRT files line by line against bgpdump's text, which is what most tools of the field read."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

from collector.event import Event, Kind
from collector.inputs.files import read_events
from tests.conftest import unavailable
from tests.unit.mrt_rows import rows

SECOND = 1_000_000_000
ADD_PATH = range(8, 12)
NONE = 0
"""What bgpdump writes for an address that is not there, as a number."""
NAMED = {"graceful-shutdown": "65535:0", "blackhole": "65535:666", "no-peer": "65535:65284"}
"""Communities that have a name here and none in bgpdump."""
UNLIKE = {
    # Lines that only we have, lines that only bgpdump has, and why we are right.
    "bview.ipv4_unicast_add_path.gz": (2, 2, "bgpdump invents an origin where there is none"),
    "bird-mrtdump_rib": (6, 6, "the same"),
    "bird_bgp": (14, 24, "NLRI with path ids in records without, which bgpdump reads as prefixes"),
    "quagga_bgp": (16, 0, "bgpdump leaves L3VPN and multicast out"),
    "updates.19990903.1041.gz": (25, 25, "bgpdump -m puts the peer where the withdrawn prefix is"),
    "updates.20000102.2014.gz": (675, 675, "the same"),
    "gobgp-flowspec-updates.mrt": (12, 0, "bgpdump leaves Flowspec out"),
}


def line(event: Event) -> str:
    """The event as bgpdump writes it."""
    raw = event.raw or b""
    kind, subtype = raw[5], raw[7]
    name = {5: "BGP", 13: "TABLE_DUMP2", 16: "BGP4MP", 17: "BGP4MP_ET"}[kind]
    seconds, rest = divmod(event.received, SECOND)
    time = f"{seconds}.{rest // 1000:06d}" if kind == 17 else str(seconds)
    who = [str(ip_address(event.peer or NONE)), str(event.peer_as)]
    if event.kind in (Kind.PEER_UP, Kind.PEER_DOWN):
        return "|".join([name, time, "STATE", *who, str(raw[-3]), str(raw[-1])])
    path_id = [str(event.path_id)] if kind in (13, 16) and subtype in ADD_PATH else []
    name += "_AP" if path_id else ""
    if event.kind == Kind.WITHDRAW:
        return "|".join([name, time, "W", *who, event.prefix or "", *path_id])
    communities = " ".join(NAMED.get(each, each) for each in event.communities)
    return "|".join(
        [
            *(name, time, "A" if event.provenance == "live" else "B", *who, event.prefix or ""),
            *(*path_id, event.as_path or "", (event.origin or "").upper()),
            *(str(ip_address(event.next_hop or NONE)), str(event.local_pref or 0)),
            str(event.med or 0),
            *([communities] if kind != 5 else []),
            *("AG" if event.atomic_aggregate else "NAG", event.aggregator or "", ""),
        ]
    )


def canonical(text: str) -> str:
    """A line of bgpdump with its addresses written as ours are."""
    parts = text.split("|")
    hop = 9 if parts[0].endswith("_AP") else 8
    for place in {3, hop if len(parts) > hop + 2 else 3}:
        parts[place] = str(ip_address(parts[place]))
    return "|".join(parts)


def counted_states(text: str) -> bool:
    """Whether the line is a change of state that is no event here: not from or to Established."""
    parts = text.split("|")
    return parts[2] == "STATE" and (parts[-1] == parts[-2] or "6" not in parts[-2:])


def compare(path: Path, text: str) -> None:
    """Every line of bgpdump's text and every event, in order; else as `UNLIKE` says."""
    theirs = [canonical(each) for each in text.splitlines() if not counted_states(each)]
    ours = [line(event) for event in read_events(path) if event.kind != Kind.END_OF_RIB]
    if path.name not in UNLIKE:
        assert ours == theirs
    more, less = Counter(ours) - Counter(theirs), Counter(theirs) - Counter(ours)
    expected = UNLIKE.get(path.name, (0, 0, ""))
    assert (more.total(), less.total()) == expected[:2], (list(more)[:3], list(less)[:3])


def test_every_line_of_the_goldens_is_an_event(shared_data: Path) -> None:
    folder = shared_data / "RIPE-NCC+bgpdump"
    paths = sorted((folder / "test_data").glob("*.gz"))
    assert len(paths) == 6
    for path in paths:
        golden = folder / "test_expect" / f"{path.name}.bgp.gz"
        compare(path, gzip.decompress(golden.read_bytes()).decode())


def test_files_without_a_golden_read_as_bgpdump_reads_them(shared_data: Path) -> None:
    if shutil.which("bgpdump") is None:
        unavailable("needs bgpdump (Debian package bgpdump)")
    names = [row.name for row in rows(shared_data) if "bgpdump/" not in row.name]
    names = [name for name in names if "westseii" not in name or name.endswith("0015.bz2")]
    assert len(names) >= 12
    for name in [*names, "_daemons/gobgp-flowspec-updates.mrt"]:
        path = shared_data / name
        command = ["bgpdump", "-m", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        compare(path, done.stdout)
