"""Messages that are almost right, made from real ones."""

from __future__ import annotations

import random

HEADER, PEER_HEADER, BGP_HEADER = 6, 42, 19
ODD = (0, 1, 2, 3, 4, 14, 15, 16, 17, 24, 25, 32, 33, 64, 96, 127, 128, 133, 134, 255)
"""Octets that mean something somewhere: types, flags, lengths, families."""


def mutate(message: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """One to four changes anywhere behind the BMP header, whose length is kept right."""
    body = bytearray(message[HEADER:])
    for _ in range(chance.randint(1, 4)):
        if body:
            chance.choice(_CHANGES)(body, others, chance)
    if chance.random() < 0.7:
        _mend(body)
    return message[:1] + (HEADER + len(body)).to_bytes(4) + message[5:6] + bytes(body)


def _flip(body: bytearray, _: list[bytes], chance: random.Random) -> None:
    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def _odd(body: bytearray, _: list[bytes], chance: random.Random) -> None:
    body[chance.randrange(len(body))] = chance.choice(ODD)


def _nudge(body: bytearray, _: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(body))
    body[at] = (body[at] + chance.choice((-2, -1, 1, 2))) & 0xFF


def _cut(body: bytearray, _: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(body))
    del body[at : at + chance.randint(1, 8)]


def _repeat(body: bytearray, _: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(body))
    body[at:at] = body[at : at + chance.randint(1, 40)]


def _splice(body: bytearray, others: list[bytes], chance: random.Random) -> None:
    other = chance.choice(others)
    start = chance.randrange(len(other))
    at = min(len(body), max(HEADER, chance.randrange(len(body))))
    body[at:at] = other[start : start + chance.randint(1, 60)]


_CHANGES = (_flip, _flip, _odd, _odd, _nudge, _nudge, _cut, _repeat, _splice)


def _mend(body: bytearray) -> None:
    """Make the lengths of a Route Monitoring message's UPDATE fit again, so that it is read."""
    start = PEER_HEADER + 16
    if len(body) < PEER_HEADER + BGP_HEADER + 4:
        return
    body[start : start + 2] = (len(body) - PEER_HEADER).to_bytes(2)
    withdrawn_at = PEER_HEADER + BGP_HEADER
    withdrawn = int.from_bytes(body[withdrawn_at : withdrawn_at + 2])
    attributes_at = withdrawn_at + 2 + withdrawn
    left = len(body) - attributes_at - 2
    if left >= 0 and int.from_bytes(body[attributes_at : attributes_at + 2]) > left:
        body[attributes_at : attributes_at + 2] = left.to_bytes(2)
