"""Large digits for a terminal, in ASCII: to be read from across the room."""

from __future__ import annotations

_ROWS = {
    "0": (" _ ", "| |", "|_|"),
    "1": ("   ", "  |", "  |"),
    "2": (" _ ", " _|", "|_ "),
    "3": (" _ ", " _|", " _|"),
    "4": ("   ", "|_|", "  |"),
    "5": (" _ ", "|_ ", " _|"),
    "6": (" _ ", "|_ ", "|_|"),
    "7": (" _ ", "  |", "  |"),
    "8": (" _ ", "|_|", "|_|"),
    "9": (" _ ", "|_|", " _|"),
    ":": (" ", ".", "."),
    "+": ("   ", " | ", "-+-"),
}
"""Three rows for each sign."""


def large(text: str) -> list[str]:
    """Digits, `:` and `+` as three lines of ASCII."""
    return [" ".join(_ROWS[sign][row] for sign in text).rstrip() for row in range(3)]


def clock_face(seconds: float) -> str:
    """Seconds as `m:ss`, or `h:mm:ss` from an hour on; less than nothing begins with `+`: over."""
    whole = abs(int(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    face = f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
    return f"+{face}" if seconds < 0 else face
