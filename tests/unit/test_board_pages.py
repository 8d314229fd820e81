"""How the board is shown: escaped, in words and shapes, and light."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from anchorwatch.board.live import SHOWN
from anchorwatch.web.pages import render
from anchorwatch.web.pages.pages import STATIC
from anchorwatch.web.pages.render import Html
from collector.event import Family, Kind, Provenance
from detectors.engine import Engine
from detectors.intent import Intent, parse_intent
from tests.unit.rules.scenes import KILL_SWITCH, SECOND, START, make, route
from tests.unit.rules.test_contract import INTENT
from tests.unit.watched_board import LEGACY, PE1, PE2, Watched

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def html() -> Html:
    return Html()


def hostile() -> Intent:
    named = INTENT.replace("name: web", "name: '<script>alert(1)</script>'")
    return parse_intent(named)


def test_what_came_from_the_network_is_escaped(html: Html) -> None:
    watched = Watched()
    watched.engine = Engine(hostile())
    watched.steady().announce(PE1, "192.0.2.50/32")
    odd = make(Kind.FEED_UP, HOSTILE, START + SECOND, epoch=START + SECOND)
    seen = route(Kind.ANNOUNCE, HOSTILE, PE2, "192.0.2.50/32", START + SECOND, Provenance.LIVE)
    rule = route(Kind.ANNOUNCE, HOSTILE, PE2, KILL_SWITCH, START + SECOND, Provenance.LIVE)
    rule = msgspec.structs.replace(rule, rule=HOSTILE)
    watched.take(odd, seen, rule)
    feed = {"id": HOSTILE, "router": HOSTILE, "state": "down", "reason": HOSTILE}
    board = watched.live.board()
    assert any("onerror" in str(items) for items in board.sections.values())
    texts = [html.item(name, item)["html"] for name in SHOWN for item in board.sections[name]]
    texts.append(html.item("feeds", feed)["html"])
    texts.append(html.head(board.counts, [HOSTILE])["head"])
    whole = html.page("board.html", here="/", board=board, started="x").body
    texts.append(bytes(whole).decode())
    for text in texts:
        assert "<img" not in text
        assert "<script>alert" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;" in "".join(texts)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in "".join(texts)


def test_severity_is_told_in_words_and_shapes(html: Html) -> None:
    watched = Watched().steady().announce(PE1, KILL_SWITCH)
    (item,) = watched.now.incidents()
    text = html.item("incidents", item)["html"]
    assert 'href="#octagon"' in text
    assert "critical</span>" in text
    assert "kill switch" in text


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"incidents": {"all": 0}, "feeds": {"all": 1, "complete": 1}},
            "No incident is open</span>",
        ),
        ({"incidents": {"all": 0}, "feeds": {"all": 0}}, "No incident is open, and not everything"),
        (
            {"incidents": {"all": 0}, "feeds": {"all": 1, "down": 1}},
            "No incident is open, and not everything is seen",
        ),
        (
            {"incidents": {"all": 3, "critical": 1, "warning": 2}, "feeds": {"all": 1}},
            "1 critical, 2 warning incidents open",
        ),
    ],
)
def test_the_head_says_it_in_a_line(
    html: Html, counts: dict[str, dict[str, int]], said: str
) -> None:
    others = {name: {"all": 0} for name in ("cutovers", "services", "anycast", "rules")}
    assert said in " ".join(html.head({**others, **counts}, [])["head"].split())


def test_the_page_of_a_large_network_is_light(html: Html) -> None:
    """500 services and 5,000 rules, each seen at both routers: at most 200 KB with all it loads."""
    services = "".join(
        f"  - {{name: service-{n:03}, prefix: 198.51.{n // 100}.{n % 100}/32, home: [legacy-pe]}}\n"
        for n in range(500)
    )
    watched = Watched(INTENT.replace("anycast:\n", f"{services}anycast:\n")).steady()
    for n in range(5000):
        text = f"destination 192.0.2.50/32 protocol =6 destination-port ={1024 + n}"
        rule = route(Kind.ANNOUNCE, f"r{n % 2 + 1}", PE1, KILL_SWITCH, START, Provenance.DUMP)
        watched.take(msgspec.structs.replace(rule, rule=text, sequence=n + 1))
    for n in range(500):
        watched.announce(LEGACY, f"198.51.{n // 100}.{n % 100}/32")
    board = watched.live.board()
    assert (board.counts["rules"]["all"], board.counts["services"]["all"]) == (5000, 501)
    page = html.page("board.html", here="/", board=board, started="x").body
    folder = Path(render.__file__).parent / "static"
    loaded = [folder / name for name in STATIC]
    octets = len(page) + sum(path.stat().st_size for path in loaded)
    assert octets <= 200_000, octets


def test_without_javascript_times_have_their_day(html: Html) -> None:
    watched = Watched().steady().announce(PE1, "192.0.2.50/32")
    board = watched.live.board()
    for section, said in (
        ("incidents", ">2027-01-15 08:00:01"),
        ("services", ">since 2027-01-15 0"),
    ):
        assert said in html.item(section, board.sections[section][0])["html"]


def test_a_watch_with_a_problem_is_not_all_green(html: Html) -> None:
    counts = {name: {"all": 0} for name in SHOWN} | {"feeds": {"all": 1, "complete": 1}}
    assert 'class="verdict is-fine"' in html.head(counts, [])["head"]
    head = " ".join(html.head(counts, ["pager noc does not take pages"])["head"].split())
    assert 'class="verdict is-warning"' in head
    assert "No incident is open, but the watch itself has a problem</span>" in head


def test_rules_of_two_vpns_can_be_told_apart(html: Html) -> None:
    watched = Watched().steady()
    seen = route(Kind.ANNOUNCE, "r1", PE1, KILL_SWITCH, START + SECOND, Provenance.LIVE)
    for number, rd in enumerate(("65000:1", "65000:2"), 2):
        vpn = {"family": Family.L3VPN_IPV4_FLOWSPEC, "rd": rd, "sequence": number}
        watched.take(msgspec.structs.replace(seen, **vpn))
    texts = [html.item("rules", item)["html"] for item in watched.now.rules()]
    for rd in ("65000:1", "65000:2"):
        assert sum(f"RD <code>{rd}</code>" in text for text in texts) == 1
