"""Every MRT file that others published: how many routes it holds, and what of it is no route."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from collector.event import Kind
from collector.inputs.files import FileError, Summary, read_events
from collector.wire.mrt_frames import NAMES
from tests.unit.mrt_rows import rows

TYPES = {"BGP": 5, "TABLE_DUMP": 12, "TABLE_DUMP_V2": 13, "BGP4MP": 16, "BGP4MP_ET": 17}
CORRECTED = {
    # The description was counted with bgpdump; tests/unit/test_bgpdump.py says why it is wrong.
    "bird_bgp": (14, 0, 0),
    "quagga_bgp": (34, 0, 0),
}


def record(name: str) -> str:
    kind, subtype = name.split("/")
    text, subtypes = NAMES[TYPES[kind]]
    return f"{text}-{subtypes[int(subtype)]}"


def test_counts_of_every_file_are_those_of_its_description(shared_data: Path) -> None:
    table = rows(shared_data)
    assert len(table) >= 36
    # Of the 18 files of one collector and month, a third.
    monthly = [row.name for row in table if "westseii" in row.name]
    left_out = set(monthly) - set(monthly[::3])
    for row in table:
        if row.name in left_out:
            continue
        summary, kinds = Summary(), Counter[tuple[str, str]]()
        for event in read_events(shared_data / row.name, summary=summary):
            kinds[event.kind, event.provenance] += 1
        found = tuple(
            kinds[each]
            for each in ((Kind.ANNOUNCE, "live"), (Kind.WITHDRAW, "live"), (Kind.ANNOUNCE, "dump"))
        )
        expected = (row.announced, row.withdrawn, row.entries)
        assert found == CORRECTED.get(Path(row.name).name, expected), row.name
        records = {name: summary.messages[name] for name in map(record, row.records)}
        assert records == {record(name): count for name, count in row.records.items()}, row.name
        assert not summary.errors, row.name
        ups = kinds[Kind.PEER_UP, "live"] + kinds[Kind.PEER_DOWN, "live"]
        assert ups <= row.states, row.name


def test_flowspec_in_mrt_is_read_as_in_bmp(shared_data: Path) -> None:
    events = list(read_events(shared_data / "_daemons" / "gobgp-flowspec-updates.mrt"))
    rules = [event for event in events if event.rule]
    assert len(rules) == 12
    assert all(event.family for event in rules)
    assert {event.kind for event in rules} == {Kind.ANNOUNCE, Kind.WITHDRAW}


@pytest.mark.parametrize("cut", [1, 11, 12, 40, 1000, 4097])
def test_a_file_that_is_cut_short_gives_one_clear_error(
    shared_data: Path, tmp_path: Path, cut: int
) -> None:
    whole = (shared_data / "YoshiyukiYamauchi+mrtparse/samples/quagga_bgp").read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[:-cut])
    seen = []
    with pytest.raises(FileError, match="is cut short: it ends inside an MRT record") as caught:
        for event in read_events(path):
            seen.append(event)  # noqa: PERF402 - what came before the failure counts
    assert "\n" not in str(caught.value)
    assert seen[-1].kind == Kind.UNDECODABLE
    assert all(event.kind != Kind.UNDECODABLE for event in seen[:-1])
