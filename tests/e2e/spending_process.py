"""Processes that spend the same tokens on one database, and are killed under way by SIGKILL.

One process imports all this and forks the writers, each a life: it opens the store as a worker
does and shows tokens, eight at a time, to `Books`, in the order that the others show them, too. A
writer that has told of so many is killed, and another one goes on a little before where it was.
What each of them was told before it died is printed in the end, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Final

from simgrant.compose.store import open_store
from simgrant.config.load import load
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.flows.camara.books import Books
from simgrant.flows.camara.consumers import Consumers

T: Final = "default"
AT_ONCE: Final = 8
WRITERS: Final = 2
BACK: Final = 30
AT_MS: Final = 1_764_547_200_000


def token_id(number: int) -> bytes:
    """Return the id of a token."""
    return sha256(str(number).encode()).digest()[:16]


def usage(number: int) -> Usage:
    """Return what the answer to a token is written down as."""
    return Usage(
        usage_id=token_id(number),
        at_ms=AT_MS + number,
        client_id="bank",
        api="number-verification",
        operation="phoneNumberVerify",
        method=Method.SIM,
        outcome=(Outcome.MATCH, Outcome.NO_MATCH)[number % 2],
        status=200,
        tariff="gold",
    )


async def spend(settings: str, first: int, last: int, out: int) -> None:
    """Show tokens to the books until the last, and tell of each whether it was spent by it."""
    store = await open_store(load(Path(settings), {}))
    consumers = Consumers(store.consumers, (T,))
    await consumers.load()
    books = Books(store.usage, consumers)
    waiting = iter(range(first, last))

    async def show() -> None:
        for number in waiting:
            priced = books.priced(T, usage(number))
            won = await books.record(T, priced, expires_at=AT_MS // 1000)
            os.write(out, f"{number} {won:d}\n".encode())

    await asyncio.gather(*(show() for _ in range(AT_ONCE)))
    await store.close()


@dataclass
class Life:
    """One writer, as it is seen from outside."""

    process: int
    pipe: int
    kill_after: int
    """Lines; 0 = it lives to the end."""
    told: list[tuple[int, bool]] = field(default_factory=list)
    rest: bytes = b""

    def read(self) -> bool:
        """Take what it tells; False at its end."""
        data = os.read(self.pipe, 65536)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            number, won = line.split()
            self.told.append((int(number), won == b"1"))
        return bool(data)


def born(settings: str, first: int, last: int, kill_after: int) -> Life:
    """Fork a writer."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            asyncio.run(spend(settings, first, last, writing))
        finally:
            os._exit(0)
    os.close(writing)
    return Life(process, reading, kill_after)


def storm(settings: str, tokens: int, kills: int) -> list[Life]:
    """Let writers live and die until all tokens are spent, and return their lives."""
    lives: list[Life] = []
    selector = DefaultSelector()
    left = kills

    def begin(first: int) -> None:
        nonlocal left
        kill_after = 10 + 7 * (left % 5) if left > 0 else 0
        left -= 1
        life = born(settings, max(0, first), tokens, kill_after)
        lives.append(life)
        selector.register(life.pipe, EVENT_READ, life)

    for _ in range(WRITERS):
        begin(0)
    while selector.get_map():
        for key, _ in selector.select():
            life: Life = key.data
            goes_on = life.read()
            if life.kill_after and len(life.told) >= life.kill_after:
                os.kill(life.process, signal.SIGKILL)
                life.kill_after = 0
            if goes_on:
                continue
            selector.unregister(life.pipe)
            os.close(life.pipe)
            _, status = os.waitpid(life.process, 0)
            if os.WIFSIGNALED(status):
                begin(max((number for number, _ in life.told), default=0) - BACK)
            elif os.WEXITSTATUS(status):
                raise SystemExit("a writer failed")
    return lives


def main(settings: str, tokens: str, kills: str) -> None:
    """Print what every writer was told."""
    lives = storm(settings, int(tokens), int(kills))
    told = Counter(each for life in lives for each in life.told)
    print(json.dumps({"lives": len(lives), "told": [[*each, n] for each, n in told.items()]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
