"""Intents of several files."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.documents import Mistakes
from detectors.intent import load_intent

SITES = "sites: {a: {match: [{peer: 10.0.0.1}]}, b: {match: [{peer: 10.0.0.2}]}}\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"version: 1\n{text}")
    return folder / "main.yaml"


def mistakes(path: Path) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        load_intent(path)
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def test_parts_of_all_files_are_joined_in_order(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main="include: [parts/sites.yaml, parts/more.yaml]\n"
        "services: [{name: s, prefix: 192.0.2.1/32, home: [a]}]\n"
        "protect: [tcp/179]\n",
        parts__sites=SITES,
        parts__more="include: [../deep.yaml]\n"
        "services: [{name: t, prefix: 192.0.2.2/32, home: [b]}]",
        deep="flowspec: []\nsites: {c: {match: [{peer: 10.0.0.3}]}}\n"
        "services: [{name: u, prefix: 192.0.2.3/32, home: [c]}]",
    )
    files: list[Path] = []
    intent = load_intent(main, files=files)
    assert list(intent.sites) == ["a", "b", "c"]
    assert [service.name for service in intent.services] == ["s", "t", "u"]
    assert intent.watched_prefixes() == ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"]
    assert intent.judges_flowspec
    assert len(intent.protect) == 1
    names = ["main.yaml", "sites.yaml", "more.yaml", "deep.yaml"]
    assert [path.name for path in files] == names


def test_a_name_given_twice_names_both_places(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main=f"include: [other.yaml]\n{SITES}services:\n"
        "  - {name: s, prefix: 192.0.2.1/32, home: [a]}\n",
        other="sites:\n  b: {match: [{peer: 10.0.0.9}]}\nservices:\n"
        "  - {name: t, prefix: 192.0.2.2/32, home: [a]}\n"
        "  - {name: s, prefix: 192.0.2.3/32, home: [a]}\n",
    )
    assert mistakes(main) == [
        "other.yaml:3: sites.b: is given twice (first at main.yaml:3)",
        "other.yaml:6: services[1].name: 's' is also services[0] (main.yaml:5)",
    ]


def test_mistakes_are_told_where_they_were_written(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main="include: [a.yaml, absent.yaml, broken.yaml]\nservices: []\n",
        a="services:\n  - {name: s, prefix: 192.0.2.1/32, home: [nowhere], hold: 5}\nsits: {}\n",
        broken="services: [",
    )
    assert mistakes(main) == [
        "a.yaml:3: services[0].hold: 5 is not a duration: write 5s (ns, us, ms, s, m, h, d)",
        "a.yaml:3: services[0].home[0]: unknown site 'nowhere'",
        "a.yaml:4: sits: unknown key (did you mean 'sites'?)",
        "broken.yaml:2: expected the node content, but found '<stream end>'",
        "main.yaml:2: include[1]: absent.yaml:1: cannot be read: no such file or directory",
    ]


def test_files_that_include_each_other(tmp_path: Path) -> None:
    main = write(
        tmp_path, main="include: [a.yaml]", a="include: [b.yaml]", b="include: [main.yaml]"
    )
    assert mistakes(main) == [
        "b.yaml:2: include[0]: files include each other: main.yaml → a.yaml → b.yaml → main.yaml"
    ]
    write(tmp_path, main="include: [a.yaml, a.yaml]", a="")
    assert mistakes(main) == ["main.yaml:2: include[1]: a.yaml is included already"]


def test_includes_are_bounded(tmp_path: Path) -> None:
    files = {f"f{i}": f"include: [f{i + 1}.yaml]" for i in range(9)}
    main = write(tmp_path, main="include: [f0.yaml]", **files, f9="")
    assert mistakes(main) == ["f6.yaml:2: include[0]: includes go beyond 8 levels or 100 files"]
    many = {f"w{i}": "" for i in range(101)}
    write(tmp_path, main=f"include: [{', '.join(f'{name}.yaml' for name in many)}]", **many)
    assert mistakes(main) == [
        f"main.yaml:2: include[{i}]: includes go beyond 8 levels or 100 files" for i in (100, 99)
    ]


def test_what_is_no_file_name_is_a_mistake(tmp_path: Path) -> None:
    main = write(tmp_path, main="include: [5, '']")
    assert [line.split(": ")[1] for line in mistakes(main)] == ["include[0]", "include[1]"]
    write(tmp_path, main="include: other.yaml")
    assert mistakes(main) == ["main.yaml:2: include: must be a list"]
