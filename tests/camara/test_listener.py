"""The partners' listener: its socket, its bounds, its certificates, and what every answer has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest

from simgrant import errors, serving
from simgrant.domain.trail import Trail
from simgrant.errors import StartRefused
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.fronts.camara.answers import _REFUSED, WRONG, wrong
from simgrant.fronts.camara.app import CamaraFront, Limits
from simgrant.fronts.camara.message import Asked, Handler, Task, Told
from tests.camara.listener import CAMARA, send
from tests.device.harness import Request, Server, SetClock, Workbench
from tests.device.test_listener import client_context, write_certificate
from tests.portal.test_listener import WITH_PORTAL, exchange
from tests.portal.test_pages import _leaves


@asynccontextmanager
async def running(bench: Workbench, camara: str) -> AsyncIterator[serving.Running]:
    loaded = bench.loaded(WITH_PORTAL + f"[camara]\n{camara}\n")
    with bench.watched():
        async with serving.running(loaded) as found:
            yield found


async def test_its_bounds_are_those_of_the_device_listener(bench: Workbench) -> None:
    async with running(bench, 'listen = "127.0.0.1:0"') as found:
        for request, status in (
            (b"GET / HTTP/1.1\r\nhost: x\r\na: %b\r\n\r\n" % (b"x" * 20_000), b"431"),
            (b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n", b"413"),
            (b"rubbish\r\n\r\n", b"400"),
            (b"GET /nowhere HTTP/1.0\r\n\r\n", b"404"),
        ):
            said = await exchange(found.camara_url, request)
            assert said.startswith(b"HTTP/1.1 " + status), said[:80]
            head, _, body = said.partition(b"\r\n\r\n")
            assert json.loads(body)["status"] == int(status)
            assert b"\r\nx-correlator: " in head


async def test_tls_with_a_certificate_of_its_own(bench: Workbench) -> None:
    write_certificate(bench.directory, 7)
    own = 'listen = "127.0.0.1:0"\ntls_certificate = "cert.pem"\ntls_key = "key.pem"'
    async with running(bench, own) as found:
        assert found.camara_url.startswith("https://")
        said = await exchange(
            found.camara_url, b"GET / HTTP/1.0\r\nhost: x\r\n\r\n", client_context()
        )
        assert said.startswith(b"HTTP/1.1 404 ")


async def test_no_listener_unless_it_is_named(bench: Workbench) -> None:
    async with running(bench, "") as found:
        assert found.camara_url == ""
        assert found.parts.camara is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ('[camara]\nlisten = "0.0.0.0:8083"\n', "camara.public_url: must be set"),
        ('[camara]\npublic_url = "http://api.example"\n', "is no https address"),
        ('[camara]\npublic_url = "https://api.example/v1"\n', "without a path"),
        ('[camara]\ntls_key = "key.pem"\n', "go together"),
        ('[camara]\nclient_ca = "ca.pem"\n', "nobody shows a certificate"),
        ("[camara]\ntoken_life_s = 5\n", "is not within 30 to 3600"),
        (
            '[camara]\npublic_url = "https://a.example"\n'
            '[tenants.mvno]\nplmns = ["310-410"]\ncamara_url = "https://A.example"\n',
            "it is also that of tenants.mvno.camara_url",
        ),
    ],
)
def test_settings_that_are_refused(bench: Workbench, settings: str, problem: str) -> None:
    with pytest.raises(StartRefused, match=problem):
        bench.loaded(settings)


def test_each_tenant_has_an_address_of_its_own(bench: Workbench) -> None:
    loaded = bench.loaded(
        CAMARA + '[tenants.mvno]\nplmns = ["310-410"]\ncamara_url = "https://mvno.example"\n'
        '[tenants.other]\nplmns = ["310-411"]\n'
    )
    assert loaded.camara_urls == {
        "default": "http://127.0.0.1:8083",
        "mvno": "https://mvno.example",
    }


def test_every_error_of_the_tree_has_an_answer() -> None:
    tree = {each for each in _leaves(errors.EcsError) if each.__module__ == errors.__name__}
    assert set(WRONG) == tree - {errors.EcsError}
    assert wrong(errors.EcsError()).status == 500
    assert set(_REFUSED) <= set(OAuthError)


# --- the front --------------------------------------------------------------------------------


class Journal:
    """Keeps what finished."""

    def __init__(self) -> None:
        self.trails: list[Trail] = []

    def finish(self, trail: Trail, seconds: float) -> None:
        del seconds
        self.trails.append(trail)


def front(handler: Handler, journal: Journal | None = None, **limits: float) -> CamaraFront:
    found = {"max_in_flight": 4, "request_timeout_s": 5.0, "retry_after_s": 7, **limits}
    return CamaraFront(
        {"oauth2": handler},
        others=handler,
        journal=journal or Journal(),  # type: ignore[arg-type]
        clock=SetClock(),
        limits=Limits(**found),  # type: ignore[arg-type]
    )


async def fine(_: Asked, task: Task) -> Told:
    task.trail.outcome = "fine"
    return Told(200, (), task.correlator.encode())


def headers(told: Told) -> dict[str, str]:
    return dict(told.headers)


@pytest.mark.parametrize("given", ["a-b_c:d;e./f<g>{h}", "x" * 256])
async def test_a_correlator_comes_back(given: str) -> None:
    told = await front(fine)(Asked(method="GET", path="/sim-swap/v2/check", x_correlator=given))
    assert told.status == 200
    assert headers(told)["x-correlator"] == given == told.body.decode()


@pytest.mark.parametrize("given", ["x" * 257, "a b", "ä", "a\r\nx", "a,b", '"'])
async def test_a_correlator_off_the_pattern_is_refused_by_apis_alone(given: str) -> None:
    told = await front(fine)(Asked(method="GET", path="/sim-swap/v2", x_correlator=given))
    assert told.status == 400
    assert json.loads(told.body)["code"] == "INVALID_ARGUMENT"
    assert headers(told)["x-correlator"] not in ("", given)
    told = await front(fine)(Asked(method="GET", path="/oauth2/token", x_correlator=given))
    assert told.status == 200
    assert headers(told)["x-correlator"] not in ("", given)


async def test_one_is_made_where_none_came() -> None:
    both = [await front(fine)(Asked(method="GET", path="/x")) for _ in "12"]
    assert len({headers(each)["x-correlator"] for each in both}) == 2


def raising(error: Exception) -> Handler:
    async def handler(_asked: Asked, _task: Task) -> Told:
        raise error

    return handler


@pytest.mark.parametrize("kind", list(WRONG))
async def test_an_error_is_said_in_the_way_of_its_place(kind: type[errors.EcsError]) -> None:
    journal = Journal()
    handler = raising(kind("some_reason", for_operator="secret detail"))
    api = await front(handler, journal)(Asked(method="GET", path="/sim-swap/v2/check"))
    oauth = await front(handler, journal)(Asked(method="GET", path="/oauth2/token"))
    assert api.status == oauth.status == WRONG[kind].status
    assert set(json.loads(api.body)) == {"status", "code", "message"}
    assert set(json.loads(oauth.body)) == {"error", "error_description"}
    for told in (api, oauth):
        assert b"secret" not in told.body
        assert b"some_reason" not in told.body
        assert headers(told)["cache-control"] == "no-store"
        assert ("retry-after" in headers(told)) == (told.status in (429, 503))
    assert [each.outcome for each in journal.trails] == ["some_reason", "some_reason"]
    assert [each.status for each in journal.trails] == [api.status, oauth.status]


async def test_a_refused_consumer_is_told_the_word_of_oauth() -> None:
    handler = raising(OAuthRefused(OAuthError.INVALID_CLIENT, "why"))
    told = await front(handler)(
        Asked(method="POST", path="/oauth2/token", authorization="Basic eA==")
    )
    assert (told.status, json.loads(told.body)["error"]) == (401, "invalid_client")
    assert headers(told)["www-authenticate"] == "Basic"
    told = await front(handler)(Asked(method="POST", path="/oauth2/token"))
    assert "www-authenticate" not in headers(told)


async def test_a_fault_of_ours_says_nothing() -> None:
    told = await front(raising(ValueError("12345")))(Asked(method="GET", path="/x"))
    assert (told.status, json.loads(told.body)["code"]) == (500, "INTERNAL")
    assert b"12345" not in told.body


async def test_who_takes_too_long_and_who_comes_when_there_are_too_many() -> None:
    gate = asyncio.Event()

    async def waiting(_asked: Asked, _task: Task) -> Told:
        await gate.wait()
        return Told(200, (), b"")

    found = front(waiting, max_in_flight=1, request_timeout_s=0.05)
    one = asyncio.create_task(found(Asked(method="GET", path="/x")))
    await asyncio.sleep(0)
    other = await found(Asked(method="GET", path="/x"))
    assert (other.status, headers(other)["retry-after"]) == (429, "7")
    assert (await one).status == 503


# --- headers that only partners send --------------------------------------------------------------


async def test_what_partners_send_reaches_the_front(bench: Workbench) -> None:
    seen: list[Asked] = []
    async with bench.opened(CAMARA) as server:

        async def handler(asked: Asked, _task: Task) -> Told:
            seen.append(asked)
            return Told(204, (), b"")

        with_handler(server, handler)
        answer = await send(
            server,
            Request(
                "POST",
                b"a=1",
                (
                    ("AUTHORIZATION", "Bearer x"),
                    ("Content-Type", "application/json; charset=utf-8"),
                    ("DPoP", "one"),
                    ("dpop", "two"),
                    ("x-correlator", "c-1"),
                    ("host", "api.example"),
                ),
                b"{}",
                "/sim-swap/v2/check",
            ),
            certificate=b"der",
        )
    assert answer.status == 204
    (asked,) = seen
    assert asked.authorization == "Bearer x"
    assert asked.content_type == "application/json; charset=utf-8"
    assert asked.dpop == "one,two"
    assert (asked.method, asked.path, asked.query, asked.body) == (
        "POST",
        "/sim-swap/v2/check",
        b"a=1",
        b"{}",
    )
    assert (asked.host, asked.x_correlator) == ("api.example", "c-1")
    assert asked.certificate == sha256(b"der").digest()


def with_handler(server: Server, handler: Handler) -> None:
    """Put another front behind the server's listener."""
    from simgrant.compose.camara import camara_answer

    parts = server.parts
    parts.camara = camara_answer(front(handler), parts.bounds.proxies)
