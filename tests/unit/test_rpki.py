from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorwatch.cli import main
from detectors.documents import Mistakes
from detectors.intent import Validity, load_intent, parse_intent, with_rpki
from detectors.intent.rpki import read_vrps

ROUTINATOR = """{
  "metadata": {
    "generated": 1626853335,
    "generatedTime": "2021-07-21T07:42:15Z"
  },
  "roas": [
    { "asn": "AS64496", "prefix": "192.0.2.0/24", "maxLength": 25, "ta": "ripe" },
    { "asn": "AS64497", "prefix": "2001:db8::/32", "maxLength": 48, "ta": "apnic" },
    { "asn": "AS0", "prefix": "198.51.100.0/24", "maxLength": 32, "ta": "arin" }
  ]
}
"""
"""As `routinator vrps --format json` lays it out."""
INTENT = """version: 1
sites: {pe: {match: [{peer: 10.0.0.1}]}}
services:
  - {name: web, prefix: 192.0.2.0/24, home: [pe]}
rpki: {vrps: rpki/vrps.json}
"""


@pytest.fixture
def vrps(tmp_path: Path) -> Path:
    path = tmp_path / "vrps.json"
    path.write_text(ROUTINATOR)
    return path


@pytest.mark.parametrize(
    ("prefix", "origin", "expected"),
    [
        ("192.0.2.0/24", 64496, Validity.VALID),
        ("192.0.2.128/25", 64496, Validity.VALID),
        ("192.0.2.128/26", 64496, Validity.INVALID),
        ("192.0.2.0/24", 64497, Validity.INVALID),
        ("192.0.2.0/24", None, Validity.INVALID),
        ("192.0.2.0/23", 64497, Validity.NOT_FOUND),
        ("203.0.113.0/24", 64496, Validity.NOT_FOUND),
        ("203.0.113.0/24", None, Validity.NOT_FOUND),
        ("2001:db8:1::/48", 64497, Validity.VALID),
        ("2001:db8:1:1::/64", 64497, Validity.INVALID),
        ("198.51.100.0/24", 0, Validity.INVALID),
    ],
)
def test_validity(vrps: Path, prefix: str, origin: int | None, expected: Validity) -> None:
    assert read_vrps(vrps, ["0.0.0.0/0", "::/0"]).validity(prefix, origin) == expected


def test_only_what_concerns_watched_prefixes_is_kept(vrps: Path) -> None:
    assert len(read_vrps(vrps, [])) == 0
    assert len(read_vrps(vrps, ["192.0.2.128/32"])) == 1
    assert len(read_vrps(vrps, ["192.0.0.0/16", "2001:db8:1::/64"])) == 2
    assert len(read_vrps(vrps, ["0.0.0.0/0", "::/0"])) == 3


PREFIXES = st.builds(
    lambda bits, length: str(IPv4Network((bits << 24, length), strict=False)),
    st.integers(0, 255),
    st.integers(0, 12),
)


@given(
    roas=st.lists(st.tuples(PREFIXES, st.integers(0, 4), st.integers(0, 3)), max_size=12),
    watched=PREFIXES,
    origin=st.integers(0, 3) | st.none(),
    more=st.integers(0, 3),
)
def test_it_says_what_rfc_6811_says(
    tmp_path_factory: pytest.TempPathFactory,
    roas: list[tuple[str, int, int]],
    watched: str,
    origin: int | None,
    more: int,
) -> None:
    """Section 2 of the RFC, word by word, over all payloads."""
    listed = [(IPv4Network(prefix), asn, longer) for prefix, longer, asn in roas]
    content = [
        {"asn": asn, "prefix": str(network), "maxLength": network.prefixlen + longer}
        for network, asn, longer in listed
    ]
    path = tmp_path_factory.mktemp("rpki") / "vrps.json"
    path.write_text(json.dumps({"roas": content}))
    route = next(IPv4Network(watched).subnets(more))
    covering = [roa for roa in listed if route.subnet_of(roa[0])]
    matched = [
        asn
        for network, asn, longer in covering
        if asn == origin and origin and route.prefixlen <= network.prefixlen + longer
    ]
    expected = "valid" if matched else "invalid" if covering else "not-found"
    assert read_vrps(path, [watched]).validity(str(route), origin) == expected


@pytest.mark.parametrize(
    "roa",
    [
        '{"asn": 64496, "prefix": "192.0.2.0/24", "maxLength": 25, "ta": "ripe", "expires": 1}',
        '{"asn": "as64496", "prefix": "192.0.2.0/24", "maxLength": 25, "source": []}',
    ],
)
def test_what_other_relying_parties_write(tmp_path: Path, roa: str) -> None:
    path = tmp_path / "vrps.json"
    path.write_text(f'{{"routerKeys": [], "aspas": [], "roas": [{roa}]}}')
    assert read_vrps(path, ["192.0.2.0/24"]).validity("192.0.2.0/25", 64496) == Validity.VALID


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"AS64497"', '"AS-NONE"', ":8: roas[1]: 'AS-NONE' is not an AS number"),
        ('"AS64497"', '"AS4294967296"', ":8: roas[1]: 'AS4294967296' is not an AS number"),
        ('"AS64497"', f'"AS{"9" * 5000}"', "99' is not an AS number"),
        ('"AS64497"', "-1", ":8: roas[1]: -1 is not an AS number"),
        ('"AS64497"', "1.5", ":8: roas[1]: expected `int | str`, got `float` - at `$.asn`"),
        ("2001:db8::/32", "2001:db8::", ":8: roas[1]: '2001:db8::' is not a prefix"),
        ("2001:db8::/32", "2001:db8::/129", ":8: roas[1]: '2001:db8::/129' is not a prefix"),
        ("2001:db8::/32", "2001:db8::1/32", ":8: roas[1]: '2001:db8::1/32' has host bits set"),
        ("2001:db8::/32", "2001:db8::/٣٢", ":8: roas[1]: '2001:db8::/٣٢' is not a prefix"),
        ("48,", "16,", ":8: roas[1]: maxLength 16 does not fit 2001:db8::/32"),
        ("48,", "129,", ":8: roas[1]: maxLength 129 does not fit 2001:db8::/32"),
        ('"prefix": "2001', '"net": "2001', "roas[1]: object missing required field `prefix`"),
        ("48,", "48", ":8: is not JSON: expecting ',' delimiter"),
        ('"roas": [', '"vrps": [', ":1: has no list `roas` with asn, prefix and maxLength"),
        ('"roas": [', '"roas": 1, "x": [', ":1: has no list `roas`"),
    ],
)
def test_a_bad_file_is_a_mistake_with_its_line(
    vrps: Path, old: str, new: str, expected: str
) -> None:
    assert old in ROUTINATOR
    vrps.write_text(ROUTINATOR.replace(old, new, 1))
    with pytest.raises(Mistakes) as caught:
        read_vrps(vrps, ["192.0.2.0/24"])
    assert str(caught.value).startswith(f"{vrps}:")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ":1: is not JSON"),
        (b'{"roas": [\n"\xff"]}', ":2: is not UTF-8 text"),
        (b"[" * 100_000, ":1: is "),
        (b"[]", ":1: has no list"),
        (b"null", ":1: has no list"),
    ],
)
def test_bytes_that_are_no_such_file(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "vrps.json"
    path.write_bytes(content)
    with pytest.raises(Mistakes) as caught:
        read_vrps(path, ["192.0.2.0/24"])
    assert f"{path}{expected}" in str(caught.value)


def test_the_file_is_beside_the_intent_and_check_tells_its_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intent = tmp_path / "intent.yaml"
    intent.write_text(INTENT)
    vrps = tmp_path / "rpki" / "vrps.json"
    assert main(["check", "--intent", str(intent)]) == 1
    line = INTENT[: INTENT.index("rpki:")].count("\n") + 1
    why = f"{vrps} cannot be read: no such file or directory"
    assert capsys.readouterr().err == f"{intent}:{line}: rpki.vrps: {why}\n"
    first = tmp_path / "first.yaml"
    first.write_text("version: 1\ninclude: [intent.yaml]\n")
    assert main(["check", "--intent", str(first)]) == 1
    assert capsys.readouterr().err.startswith(f"{intent}:{line}: rpki.vrps: ")
    vrps.parent.mkdir()
    vrps.write_text(ROUTINATOR)
    assert main(["check", "--intent", str(intent)]) == 0
    assert "1 RPKI payload of watched prefixes" in capsys.readouterr().out
    vrps.write_text(ROUTINATOR.replace("/24", "/240"))
    assert main(["check", "--intent", str(intent)]) == 1
    assert f"{vrps}:7: roas[0]: '192.0.2.0/240' is not a prefix" in capsys.readouterr().err


def test_reading_it_again_makes_another_intent(tmp_path: Path) -> None:
    intent = tmp_path / "intent.yaml"
    intent.write_text(INTENT.replace("rpki/vrps", "vrps"))
    vrps = tmp_path / "vrps.json"
    vrps.write_text(ROUTINATOR)
    first = load_intent(intent)
    vrps.write_text(ROUTINATOR.replace("AS64496", "AS64511"))
    second = with_rpki(first, intent)
    assert first.vrps is not None
    assert second.vrps is not None
    assert first.vrps.validity("192.0.2.0/24", 64496) == Validity.VALID
    assert second.vrps.validity("192.0.2.0/24", 64496) == Validity.INVALID


def test_an_intent_without_it_reads_nothing() -> None:
    intent = parse_intent("version: 1")
    assert intent.vrps is None
    assert with_rpki(intent, "/nowhere/intent.yaml") is intent
