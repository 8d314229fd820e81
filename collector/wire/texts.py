"""Text that others wrote, as it may be shown: it goes into logs, terminals and pages."""

from __future__ import annotations

_CONTROLS = (
    *range(0x20),  # C0: newlines forge lines of a log, and ESC commands terminals
    *range(0x7F, 0xA0),  # DEL and C1, which some terminals obey as well
    *(0x2028, 0x2029),  # separators, at which some programs break lines
    *range(0x202A, 0x202F),  # these turn the order of what is around them about
    *range(0x2066, 0x206A),
)
_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_SHOWN = str.maketrans(
    {code: rf"\x{code:02x}" if code < 0x100 else rf"\u{code:04x}" for code in _CONTROLS} | _NAMED
)


def read_text(octets: bytes) -> str:
    """UTF-8 from the wire; what is none is replaced, and what would command is `shown`."""
    return shown(octets.decode("utf-8", "replace"))


def shown(text: str) -> str:
    r"""Text with its control characters written out, as `\n` and `\x1b`."""
    return text.translate(_SHOWN)
