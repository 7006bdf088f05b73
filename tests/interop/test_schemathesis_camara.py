"""Schemathesis calls the partner APIs by CAMARA's released definitions, unmodified.

All its checks, and sequences of calls. Bodies may say more than the API knows, as the released
definitions let them (`camara.strict_bodies = false`). The lines are in memory, behind the
listener's own connections; whoever brings the token ``good`` has a new access token each time,
since those for number verification are good once. What a definition cannot say is which numbers
there are (404), and with how many legs a token was got (422): every other has two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from uvicorn.server import ServerState

from simgrant.compose.camara import CAMARA_MAX_BODY, camara_answer
from simgrant.domain.camara.access_token import AccessToken
from simgrant.domain.camara.line import Line
from simgrant.errors import Unauthenticated
from simgrant.flows.camara.apis import APIS
from simgrant.fronts.device.protocol import Bounds, Connection, Listener, partners
from simgrant.fronts.device.source import Proxies
from simgrant.identities import Msisdn
from simgrant.ports.camara_lines import LineFound
from tests.camara_definitions import file_of
from tests.camara_world import NOW, TENANT, Lines, World, front_of, subscription

pytestmark = [pytest.mark.interop, pytest.mark.slow]

TOOL = Path(__file__).parents[2] / ".venv-tools/schemathesis/bin/schemathesis"
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", {more}"404", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "415", "422"]
"""

BESIDES = {
    "consent-info": '"403", ',  # Which scopes are the consumer's.
    "number-recycling": '"400", ',  # OUT_OF_RANGE: a day to come.
    "kyc-tenure": '"400", ',
    # Credentials, protocols and sinks that it lists, and that are not to be had.
    "sim-swap-subscriptions": '"400", ',
    "device-roaming-status-subscriptions": '"400", ',
}
"""What else a definition cannot say of the requests that it describes."""
LEGS = {
    "number-verification": (3,),
    # What one token made, the next one has to see.
    "sim-swap-subscriptions": (2,),
    "device-roaming-status-subscriptions": (2,),
}
"""Where it is not either in turn."""


class Generous(World):
    """Gives whoever says ``good`` a new token."""

    legs: tuple[int, ...] = (3, 2)
    """How many tokens have, in turn."""
    number = 0

    def everybody(self) -> None:
        """Have a line for every number."""
        self.lines.__class__ = Everybody

    def _open(self, text: str, _keys: object, /, *, now: float) -> tuple[str, AccessToken]:
        if text != "good" or now < NOW:
            raise Unauthenticated("access_token_not_good")
        self.number += 1
        name = self.token(two_legs=self.legs[self.number % len(self.legs)] == 2)
        token = self.tokens.pop(name)
        return TENANT, replace(token, token_id=self.number.to_bytes(16))


class Everybody(Lines):
    """Lines of whatever number is named."""

    async def by_msisdn(self, tenant: str, msisdn: Msisdn, *, token_id: bytes) -> LineFound:
        assert (tenant, len(token_id)) == (TENANT, 16)
        return LineFound(Line(subscription=subscription(msisdn)), revoked=False)


@asynccontextmanager
async def listening(world: World) -> AsyncIterator[str]:
    """Yield where the APIs of a world listen."""
    proxies = Proxies(())
    bounds = Bounds(
        max_head=16_384,
        max_body=CAMARA_MAX_BODY,
        max_coming=64,
        head_timeout_s=10,
        body_timeout_s=10,
        keep_alive_s=30,
        proxies=proxies,
        proxy_protocol=False,
    )
    listener = Listener(camara_answer(front_of(world), proxies), bounds, ServerState(), partners)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(listener), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


@pytest.mark.parametrize("name", sorted(APIS))
async def test_schemathesis_finds_nothing(tmp_path: Path, name: str) -> None:
    definition = file_of(name)
    if not TOOL.exists():
        pytest.skip("schemathesis is not installed; make tools")
    config = CONFIG.replace("{more}", BESIDES.get(name, ""))
    (tmp_path / "schemathesis.toml").write_text(config)
    world = Generous(strict=False)
    world.legs = LEGS.get(name, world.legs)
    if name.endswith("-subscriptions"):
        # So that there are some.
        world.everybody()
    async with listening(world) as url:
        run = await asyncio.create_subprocess_exec(
            TOOL,
            "--config-file",
            tmp_path / "schemathesis.toml",
            "run",
            definition,
            "--url",
            url + APIS[name].path,
            "--header",
            "Authorization: Bearer good",
            "--checks",
            "all",
            "--max-examples",
            "5",
            "--generation-deterministic",
            "--continue-on-failure",
            "--no-color",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        said, _ = await asyncio.wait_for(run.communicate(), 120)
    assert run.returncode == 0, said.decode()[-20_000:]
    assert {row.operation for row in world.books.rows} == {
        operation.id for operation in APIS[name].operations
    }
