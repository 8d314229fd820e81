"""A coverage-guided fuzzer of the reference decoder, and of the native one beside it.

    python -m tests.fuzz.session CORPUS -max_total_time=600

needs atheris (`pip install -e '.[fuzz]'`). An input is a BMP message without its length: its type
and its body. A corpus folder that is empty is filled with the lab's messages first. It stops at
the first input that makes an exception, or on which the decoders differ, and leaves it in a file;
`python -m tests.fuzz.session FILE` shows what is wrong with that.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

LAB = Path(__file__).parents[1] / "captures" / "lab"
NOW = 1_800_000_000_000_000_000


def messages() -> list[bytes]:
    """All BMP messages of the lab's captures."""
    from collector.inputs.files import capture_streams
    from tests.equivalence.pair import messages_of

    found: list[bytes] = []
    for path in sorted(LAB.glob("*.pcap.gz")):
        for stream in capture_streams(path):
            found += messages_of(b"".join(octets for _, octets in stream.chunks))
    return found


def framed(data: bytes) -> bytes:
    """The message that an input stands for."""
    return b"\x03" + (5 + max(1, len(data))).to_bytes(4) + (data or b"\0")


def fill(corpus: Path, seeds: list[bytes]) -> None:
    """Give the fuzzer something to begin with."""
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for number, message in enumerate(seeds):
            (corpus / f"lab-{number:05}").write_bytes(message[5:])


def main() -> None:
    """Fuzz until told to stop."""
    import atheris

    with atheris.instrument_imports(include=["collector"]):
        from tests.equivalence.pair import Pair
    seeds = messages()
    # What most messages need before them.
    opening = b"".join(next(m for m in seeds if m[5] == kind) for kind in (4, 3))
    for word in sys.argv[1:]:
        if not word.startswith("-") and not Path(word).is_file():
            fill(Path(word), seeds)

    def one(data: bytes) -> None:
        Pair().run([opening, framed(data)], NOW, step=1)

    target: Any = one
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
