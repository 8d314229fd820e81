"""Both decoders on hundreds of thousands of messages that are almost right."""

from __future__ import annotations

import os
import random
from pathlib import Path

from benchmarks.generate import generate
from benchmarks.table import Shape
from collector.wire import bmp
from tests.equivalence.mutations import mutate
from tests.equivalence.pair import Pair, messages_of

MUTATIONS = int(os.environ.get("ANCHORWATCH_MUTATIONS", "200000"))
SEED = int(os.environ.get("ANCHORWATCH_SEED", "1"))
PER_SESSION = 200
NOW = 1_800_000_000_000_000_000
WATCHED = ("10.0.0.0/8", "2001:db8::/32")


def stream(seed: int) -> list[bytes]:
    shape = Shape(routes=3000, seed=seed, vpn=True, flowspec=0.02, aggregated=0.2)
    return list(messages_of(generate(shape).bmp))


def test_no_mutated_message_tells_them_apart(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    real = [message for seed in (1, 2) for message in stream(seed)]
    opening = [m for m in stream(1) if m[5] in (bmp.INITIATION, bmp.PEER_UP)]
    pair = Pair()
    done = 0
    while done < MUTATIONS:
        messages = list(opening)
        for _ in range(PER_SESSION):
            message = chance.choice(real)
            # Some stay as they are, so that broken ones are seen not to spoil what follows.
            messages.append(mutate(message, real, chance) if chance.random() < 0.9 else message)
        done += PER_SESSION
        watched = WATCHED if done % (10 * PER_SESSION) == 0 else ()
        # Each session has a second of its own, which tells its rows from others'.
        pair.run([b"".join(messages)], NOW + done // PER_SESSION * 1_000_000_000, watched=watched)
    print(f"\n{done} messages: {pair.rows} rows, {pair.declined} events left to the reference")
    assert pair.rows > done / 4
    assert pair.declined > done / 4
    pair.assert_equal_in_store(tmp_path)
