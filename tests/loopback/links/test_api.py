"""An API in JSON: each way to prove who asks, as it goes over the wire."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from simgrant.errors import PeerUnavailable
from simgrant.links.api import ApiConfig, ApiLink, OAuthConfig
from simgrant.links.client_auth import Credentials
from simgrant.links.http import HttpConfig
from simgrant.sim.web import Answer, Request, WebServer
from tests.clocks import MachineClock

SECRET = "s3cret-of-ours"


class Peer:
    """Answers what it is told to, and gives tokens T1, T2 …"""

    def __init__(self) -> None:
        self.web = WebServer(self._answer, None)
        self.seen: list[Request] = []
        self.grants: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda _: Answer(200, (), b"{}")

    def _answer(self, request: Request) -> Answer:
        if request.target == "/token":
            self.grants.append(request)
            body = b'{"access_token": "T%d", "expires_in": 60}' % len(self.grants)
            return Answer(200, (), body)
        self.seen.append(request)
        return self.answer(request)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    found = Peer()
    await found.web.up()
    yield found
    await found.web.down()


Open: TypeAlias = Callable[..., ApiLink]


@pytest.fixture
async def open_link(peer: Peer) -> AsyncIterator[Open]:
    links: list[ApiLink] = []

    def make(**more: object) -> ApiLink:
        config = ApiConfig(
            root=f"{peer.web.url}/bss", http=HttpConfig(peer="bss.crm", plain=True, http2=False)
        )
        links.append(ApiLink(replace(config, **more), MachineClock()))  # type: ignore[arg-type]
        return links[-1]

    yield make
    for each in links:
        await each.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


def soon() -> float:
    return time.monotonic() + 5


async def test_paths_follow_the_root_and_bodies_are_json(peer: Peer, open_link: Open) -> None:
    link = open_link(headers={"x-market": "CR"})
    await link.send("POST", "/a/b?c=d", b"{}", headers={"x-id": "1"}, deadline=soon())
    (seen,) = peer.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/bss/a/b?c=d", b"{}")
    assert seen.headers["content-type"] == seen.headers["accept"] == "application/json"
    assert (seen.headers["x-market"], seen.headers["x-id"]) == ("CR", "1")
    assert "authorization" not in seen.headers


async def test_a_key_goes_into_its_header(peer: Peer, open_link: Open, secret: Path) -> None:
    await open_link(key_header="apikey", key_file=secret).send("GET", "/", deadline=soon())
    assert peer.seen[0].headers["apikey"] == SECRET


async def test_a_name_and_a_password(peer: Peer, open_link: Open, secret: Path) -> None:
    await open_link(user="ecs", password_file=secret).send("GET", "/", deadline=soon())
    expected = base64.b64encode(f"ecs:{SECRET}".encode()).decode()
    assert peer.seen[0].headers["authorization"] == f"Basic {expected}"


async def test_a_token_is_fetched_once_and_renewed_where_it_is_refused(
    peer: Peer, open_link: Open, secret: Path
) -> None:
    oauth = OAuthConfig(
        token_url=f"{peer.web.url}/token",
        credentials=Credentials(client_id="ecs", secret_file=secret),
        scope="bss.read",
    )
    link = open_link(oauth=oauth)
    for _ in range(2):
        await link.send("GET", "/", deadline=soon())
    assert [each.headers["authorization"] for each in peer.seen] == ["Bearer T1", "Bearer T1"]
    assert peer.grants[0].body == b"grant_type=client_credentials&scope=bss.read"
    peer.answer = lambda request: Answer(
        200 if request.headers["authorization"] == "Bearer T2" else 401
    )
    with pytest.raises(PeerUnavailable, match="no token made with these credentials"):
        # It was refused within the gap between two renewals: nobody is hammered.
        await link.send("GET", "/", deadline=soon())


@pytest.mark.parametrize("status", [401, 403])
async def test_whoever_is_refused_is_told_and_not_why(
    peer: Peer, open_link: Open, secret: Path, status: int
) -> None:
    peer.answer = lambda _: Answer(status, (), b'{"reason": "quotes the key"}')
    with pytest.raises(PeerUnavailable) as caught:
        await open_link(key_file=secret).send("GET", "/", deadline=soon())
    assert caught.value.reason == "credentials_refused"
    assert caught.value.for_operator == f"bss.crm: it answers {status}"


async def test_whoever_asks_too_often_is_told_when_to_come_back(
    peer: Peer, open_link: Open
) -> None:
    peer.answer = lambda _: Answer(429, (("retry-after", "7"),))
    with pytest.raises(PeerUnavailable) as caught:
        await open_link().send("GET", "/", deadline=soon())
    assert (caught.value.reason, caught.value.retry_after) == ("peer_throttles", 7)


async def test_nothing_shows_a_secret(open_link: Open, secret: Path) -> None:
    link = open_link(key_file=secret, user="ecs", password_file=secret)
    assert SECRET not in repr(vars(link))
