"""Profiles of clients that are changed while a server with several workers runs."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.nodes import SIMS, Node, Site, until
from tests.e2e.phones import Phone

pytestmark = pytest.mark.e2e

LAB = '\n[profiles.lab]\nmatch.terminal_vendor = ["Goog"]\n'
WORKERS = 2


def saying(node: Node, event: str) -> int:
    """Return how many lines of the log are of an event."""
    return node.out.read_text().count(f'"{event}"')


async def fitted(node: Node) -> dict[str, str]:
    """Ask until every worker has answered a new connection; return what each took the phone for."""
    ids: dict[str, str] = {}
    while len(ids) < WORKERS:
        async with Phone(SIMS[0]) as phone:
            answer = await phone.begin(node)
            assert answer.status == 200
            request_id = answer.first("x-request-id")
            # Its beginning is the worker's.
            ids[request_id[:8]] = request_id

    await until(
        lambda: all(each in node.out.read_text() for each in ids.values()),
        what="the lines of these requests",
    )
    profiles = {line["request_id"]: line["profile"] for line in node.requests()}
    return {worker: profiles[request_id] for worker, request_id in ids.items()}


async def test_every_worker_takes_changed_profiles_over_and_none_takes_bad_ones(
    sqlite_site: Site,
) -> None:
    node = sqlite_site.node("--workers", str(WORKERS), settings={"keys.poll_s": 0.05})
    plain = node.file.read_text()
    assert set((await fitted(node)).values()) == {"android"}

    node.file.write_text(plain + LAB)
    await until(lambda: saying(node, "profiles_renewed") == WORKERS, what="both have it")
    assert set((await fitted(node)).values()) == {"lab"}

    # Who takes a dead worker's place begins with the settings of the start, and has to catch up.
    os.kill(node.workers()[0], signal.SIGKILL)
    await until(lambda: saying(node, "profiles_renewed") == WORKERS + 1, what="the new one has it")
    assert set((await fitted(node)).values()) == {"lab"}

    node.file.write_text(plain + LAB + "no_such_key = 1\n")
    await until(lambda: saying(node, "profiles_not_renewed") == WORKERS, what="both refuse it")
    assert set((await fitted(node)).values()) == {"lab"}

    node.file.write_text(plain)
    await until(lambda: saying(node, "profiles_renewed") == 2 * WORKERS + 1, what="both are back")
    assert set((await fitted(node)).values()) == {"android"}
    assert saying(node, "profiles_not_renewed") == WORKERS, "each said it once"
    assert node.stop() == 0
