"""Says whether the native blocks of a folder and the reference's rows are the same rows.

A program of its own: the engine takes one store in a process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

from collector.store.embedded import EmbeddedStore
from collector.store.rows import SCHEMAS


def main(folder: Path) -> str:
    store = EmbeddedStore(folder / "store")
    store.execute("CREATE TABLE expected AS routes")
    with pa.OSFile(str(folder / "expected.arrow")) as file:
        rows = pa.ipc.open_file(file).read_all()
    for start in range(0, len(rows), 500_000):
        store.insert("expected", rows.slice(start, 500_000), f"expected-{start}")
    for path in sorted(folder.glob("*.native")):
        columns = path.with_suffix(".columns").read_text().splitlines()
        store.insert_native("routes", columns, path, path.stem)
    names = ", ".join(SCHEMAS["routes"])
    ask = f"SELECT {names} FROM {{}} ORDER BY received, sequence, address, length"  # noqa: S608
    ours, reference = store.query(ask.format("routes")), store.query(ask.format("expected"))
    answer = "equal" if ours.equals(reference) else difference(ours, reference)
    store.close()
    return answer


def difference(ours: pa.Table, reference: pa.Table) -> str:
    if len(ours) != len(reference):
        return f"{len(ours)} rows, the reference has {len(reference)}"
    for name in ours.column_names:
        pairs = zip(ours[name].to_pylist(), reference[name].to_pylist(), strict=True)
        for row, (one, other) in enumerate(pairs):
            if one != other:
                who = reference.slice(row, 1).to_pylist()[0]
                return f"{name} is {one!r}, the reference has {other!r}: {who}"
    return "they differ in a way that no value shows"


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
