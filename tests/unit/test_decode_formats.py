from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anchorwatch.cli import main
from anchorwatch.cli.event_files import ROWS, columns, event_output
from anchorwatch.errors import UserError
from collector.event import Event
from collector.inputs.files import read_events
from tests.unit.wire.build import BASIC, attribute, ext, prefix, reach, update
from tests.unit.wire.test_mrt import bgp4mp, states

RULE = reach(1, 133, b"", b"\x06\x01\x20\xc0\0\x02\x32")
MANY = attribute(8, b"\xfd\xe9\0\x01\xfd\xe9\0\x02", 0xC0) + ext("8006000000000000")
DATA = (
    states(5, 6)
    + bgp4mp(update(attributes=BASIC + MANY + attribute(6, b""), nlri=prefix("192.0.2.0/24")))
    + bgp4mp(update(attributes=BASIC + MANY + RULE))
    + bgp4mp(update(withdrawn=prefix("192.0.2.0/24")))
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "updates.mrt"
    path.write_bytes(DATA)
    return path


def test_csv_has_a_column_for_every_field(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", "--format", "csv", str(recording)]) == 0
    up, route, rule, withdrawn = csv.DictReader(capsys.readouterr().out.splitlines())
    assert list(up) == [name for name in Event.__struct_fields__ if name != "raw"]
    assert up["kind"] == "peer-up"
    assert (up["prefix"], up["communities"], up["med"], up["atomic_aggregate"]) == ("",) * 4
    assert route["received"] == "2023-11-14T22:13:20.000000000Z"
    assert (route["prefix"], route["peer_as"]) == ("192.0.2.0/24", "65002")
    assert json.loads(route["communities"]) == ["65001:1", "65001:2"]
    assert route["atomic_aggregate"] == "true"
    assert json.loads(rule["components"]) == {"destination": "192.0.2.50/32"}
    assert json.loads(rule["actions"]) == [{"action": "discard"}]
    assert withdrawn["as_path"] == ""


def test_csv_and_jsonl_can_have_the_message(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["decode", "--raw", "--format", "csv", "--output", str(out), str(recording)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert bytes.fromhex("".join(row["raw"] for row in rows)) == DATA
    assert main(["decode", "--raw", "--output", str(out), str(recording)]) == 0
    lines = out.read_text().splitlines()
    assert [Event.from_dict(json.loads(line)) for line in lines] == list(read_events(recording))


def test_parquet_has_the_events_as_they_are(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "events.parquet"
    command = ["decode", "--raw", "--format", "parquet", "--output", str(out), str(recording)]
    assert main([*command, str(recording)]) == 0
    table = pq.read_table(out)
    assert table.column_names == list(Event.__struct_fields__)
    events = list(read_events(recording)) * 2
    assert table["received"].cast(pa.int64()).to_pylist() == [event.received for event in events]
    for name in ("sequence", "prefix", "peer_as", "as_path", "atomic_aggregate", "raw", "med"):
        assert table[name].to_pylist() == [getattr(event, name) for event in events], name
    for name in ("communities", "ext_communities", "labels"):
        found = table[name].to_pylist()
        assert found == [list(getattr(event, name)) or None for event in events], name
    for name in ("components", "actions", "information"):
        texts = [text and json.loads(text) for text in table[name].to_pylist()]
        values = [msgspec.to_builtins(getattr(event, name)) or None for event in events]
        assert [value or None for value in texts] == [
            list(value) if isinstance(value, tuple) else value for value in values
        ], name


def test_parquet_is_written_in_row_groups(recording: Path, tmp_path: Path) -> None:
    (event, *_) = read_events(recording)
    out = tmp_path / "events.parquet"
    with event_output("parquet", out, raw=False) as write:
        for _ in range(ROWS * 2 + 1):
            write(event)
    file = pq.ParquetFile(out)
    groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
    assert groups == [ROWS, ROWS, 1]
    assert file.schema_arrow.names == columns(raw=False)


def test_no_events_are_a_table_without_rows(tmp_path: Path) -> None:
    out = tmp_path / "events.parquet"
    with event_output("parquet", out, raw=False):
        pass
    assert pq.read_table(out).num_rows == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--format", "parquet"], "parquet is not text: say where to write it with --output FILE"),
        (["--output", "{file}"], "{file}: cannot be read and written at once"),
        (["--output", "{folder}"], "{folder}: cannot be written: Is a directory"),
        (
            ["--format", "parquet", "--output", "{folder}/no/where"],
            "{folder}/no/where: cannot be written: ",
        ),
        (["--count", "--output", "x"], "--count prints and writes no file: leave out --output"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    recording: Path, capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    places = {"file": recording, "folder": recording.parent}
    words = [option.format(**places) for option in options]
    assert main(["decode", *words, str(recording)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"anchorwatch decode: {problem.format(**places)}")
    assert error.count("\n") == 1
    assert recording.read_bytes() == DATA


def test_a_damaged_file_leaves_what_could_be_read(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.write_bytes(DATA[:-3])
    out = tmp_path / "events.parquet"
    assert main(["decode", "--format", "parquet", "--output", str(out), str(recording)]) == 2
    assert "is cut short: it ends inside an MRT record" in capsys.readouterr().err
    kinds = pq.read_table(out)["kind"].to_pylist()
    assert kinds == ["peer-up", "announce", "announce", "undecodable"]


def test_an_output_that_is_none_of_the_formats_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="parquet is not text"),
        event_output("parquet", None, raw=False),
    ):
        pytest.fail("it was taken")
