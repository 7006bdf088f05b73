"""OsmoHLR, which is not ours, as the HLR that vectors come from, for our adapter and for phones."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from simgrant.adapters.authn import gsup
from simgrant.compose.clock import CLOCK
from simgrant.eap.algorithm import make_auts
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Variant
from simgrant.eap.usim import SoftUsim, UsimSuccess, UsimSyncFailure
from simgrant.eap.vector import AuthVector, Resync
from simgrant.errors import AuthenticationRejected, EcsError, PeerMisbehaved, UnknownIdentity
from simgrant.identities import Imsi
from simgrant.links.gsup import Hlr, HlrConfig, HlrState
from simgrant.ports.vectors import VectorRequest
from simgrant.wire.gsup import PORT
from tests.e2e.nodes import SIMS, Site, ended, until
from tests.e2e.phones import ENABLED, Phone, vowifi_of
from tests.loopback.links.hlr_world import QUICK, Diary

KEY = bytes(range(16))
OPC = bytes(range(16, 32))
KEYS = Milenage(KEY, OPC)
THEIRS = tuple(replace(sim, k=KEY, opc=OPC) for sim in SIMS[:4])
"""The SIMs as they really are: the database of simgrant has other keys."""
KEYLESS, GSM = Imsi("001010000000901"), Imsi("001010000000902")
STRANGER = Imsi("001010099999999")
_VTY = 4258

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("osmo-hlr") is None,
        reason="OsmoHLR is not installed (apt-get install osmo-hlr)",
    ),
]


@dataclass
class Osmo:
    """A running OsmoHLR on an address of its own, with a database of its own."""

    folder: Path
    address: str
    process: Process | None = None

    async def start(self) -> None:
        """Start it, and return once it takes connections."""
        config = self.folder / "hlr.cfg"
        bind = f" bind {self.address}"
        lines = ("line vty", bind, "ctrl", bind, "hlr", " gsup", f"  bind ip {self.address}")
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "osmo-hlr", "-s"),
                *("-c", str(config), "-l", str(self.folder / "hlr.db")),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                cwd=self.folder,
            )
        async with asyncio.timeout(30):
            while not await self._is_up():
                assert self.process.returncode is None, (self.folder / "log").read_text()
                await asyncio.sleep(0.05)

    async def _is_up(self) -> bool:
        """Say whether it takes connections of elements; its operator's come before."""
        try:
            _, writer = await asyncio.open_connection(self.address, PORT)
        except OSError:
            return False
        writer.close()
        return True

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self.process = None

    async def tell(self, *commands: str) -> str:
        """Give commands of its operator, and return what it said."""
        reader, writer = await asyncio.open_connection(self.address, _VTY)
        try:
            writer.write("".join(f"{line}\r\n" for line in ("enable", *commands, "exit")).encode())
            async with asyncio.timeout(30):
                return (await reader.read()).decode(errors="replace")
        finally:
            writer.close()


@pytest.fixture
async def osmo(tmp_path: Path) -> AsyncIterator[Osmo]:
    address = "127." + ".".join(str(1 + secrets.randbelow(254)) for _ in range(3))
    made = Osmo(tmp_path, address)
    try:
        await made.start()
        known = [each.imsi.digits for each in THEIRS]
        umts = f"aud3g milenage k {KEY.hex()} opc {OPC.hex()} ind-bitlen 5"
        for imsi in (*known, KEYLESS.digits, GSM.digits):
            await made.tell(f"subscriber imsi {imsi} create")
        for imsi in known:
            await made.tell(f"subscriber imsi {imsi} update {umts}")
        await made.tell(f"subscriber imsi {GSM.digits} update aud2g comp128v1 ki {KEY.hex()}")
        yield made
    finally:
        await made.kill()


@dataclass
class Ours:
    """Our connection to it."""

    hlr: Hlr
    diary: Diary

    async def fetch(
        self,
        variant: Variant = Variant.AKA,
        *,
        imsi: Imsi = THEIRS[0].imsi,
        resync: Resync | None = None,
    ) -> AuthVector:
        source = gsup.open_vectors(gsup.Config(name="osmo"), hlr=self.hlr)
        request = VectorRequest("default", imsi, variant, resync)
        return await source.fetch(request, deadline=CLOCK.monotonic() + 30)

    async def until(self, state: HlrState) -> None:
        async with asyncio.timeout(60):
            while self.hlr.state is not state:
                self.diary.news.clear()
                await self.diary.news.wait()


@asynccontextmanager
async def connected(
    osmo: Osmo, name: str = "ecs-0", state: HlrState = HlrState.OKAY
) -> AsyncIterator[Ours]:
    config = HlrConfig(
        name="home",
        address=osmo.address,
        unit_name=name,
        ping_s=0.5,
        connect_timeout_s=1,
        retry=QUICK,
    )
    diary = Diary(asyncio.Event())
    ours = Ours(Hlr(config, watcher=diary, clock=CLOCK), diary)
    running = asyncio.create_task(ours.hlr.run())
    try:
        await ours.until(state)
        yield ours
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def ours(osmo: Osmo) -> AsyncIterator[Ours]:
    async with connected(osmo) as made:
        yield made


@pytest.mark.parametrize("variant", list(Variant))
async def test_a_sim_believes_the_vector_and_is_caught_up_with(
    ours: Ours, variant: Variant
) -> None:
    prime = variant is Variant.AKA_PRIME
    vector = await ours.fetch(variant)
    assert (vector.separated, vector.derived) == (prime, False)
    answer = SoftUsim(KEYS, needs_separation=prime).authenticate(vector.rand, vector.autn)
    assert isinstance(answer, UsimSuccess)
    assert (answer.res, answer.ck, answer.ik) == (vector.xres, vector.ck, vector.ik)
    ahead = SoftUsim(KEYS, taken=[1 << 40 | ind for ind in range(32)])
    refused = ahead.authenticate(vector.rand, vector.autn)
    assert isinstance(refused, UsimSyncFailure)
    again = await ours.fetch(variant, resync=Resync(vector.rand, refused.auts))
    assert isinstance(ahead.authenticate(again.rand, again.autn), UsimSuccess)
    later = await ours.fetch(variant)
    assert isinstance(ahead.authenticate(later.rand, later.autn), UsimSuccess)


async def test_what_it_refuses_is_the_error_that_it_means(ours: Ours) -> None:
    vector = await ours.fetch()
    foreign = make_auts(Milenage(bytes(16), OPC), vector.rand, sqn=1 << 40)
    cases: list[tuple[Imsi, Resync | None, type[EcsError], str]] = [
        (STRANGER, None, UnknownIdentity, "hlr_user_unknown"),
        (KEYLESS, None, UnknownIdentity, "hlr_user_unknown"),
        (GSM, None, PeerMisbehaved, "hlr_vector_malformed"),
        (
            THEIRS[0].imsi,
            Resync(vector.rand, foreign),
            AuthenticationRejected,
            "auts_not_verified",
        ),
    ]
    for imsi, resync, kind, reason in cases:
        with pytest.raises(EcsError) as raised:
            await ours.fetch(imsi=imsi, resync=resync)
        assert (type(raised.value), raised.value.reason) == (kind, reason)
    # A SIM that was refused is none the worse for it.
    assert (await ours.fetch()).rand


async def test_hundreds_are_under_way_over_two_connections(osmo: Osmo) -> None:
    async with connected(osmo, "ecs-0") as first, connected(osmo, "ecs-1") as second:
        asked = [(each, sim.imsi) for each in (first, second) for sim in THEIRS * 40]
        vectors = await asyncio.gather(*(each.fetch(imsi=imsi) for each, imsi in asked))
        assert len({vector.rand for vector in vectors}) == len(asked)
        # No answer went to the other: each name has an IND, and it is in all of its vectors.
        inds: tuple[set[int], set[int]] = (set(), set())
        for (each, _), vector in zip(asked, vectors, strict=True):
            concealed = int.from_bytes(vector.autn[:6], "big")
            ak = KEYS.generate(vector.rand, sqn=0, amf=b"\0\0").autn[:6]
            inds[each is second].add((concealed ^ int.from_bytes(ak, "big")) & 31)
        assert [len(found) for found in inds] == [1, 1]
        assert inds[0] != inds[1]
        assert set(first.diary.results) == set(second.diary.results) == {"vectors"}


async def test_a_name_that_another_connection_has_is_of_no_use(osmo: Osmo) -> None:
    async with AsyncExitStack() as stack:
        async with connected(osmo) as first:
            assert (await first.fetch()).rand
            second = await stack.enter_async_context(connected(osmo, state=HlrState.CLOSED))
            async with asyncio.timeout(60):
                while not second.diary.states:
                    second.diary.news.clear()
                    await second.diary.news.wait()
            assert "is unit_name that of another" in second.diary.states[0][2]
            assert (await first.fetch()).rand
        await second.until(HlrState.OKAY)
        assert (await second.fetch()).rand


async def test_one_that_was_killed_is_connected_to_again(osmo: Osmo, ours: Ours) -> None:
    await osmo.kill()
    await ours.until(HlrState.CLOSED)
    with pytest.raises(EcsError) as raised:
        await ours.fetch()
    assert raised.value.reason == "hlr_not_connected"
    await osmo.start()
    await ours.until(HlrState.OKAY)
    assert (await ours.fetch()).rand


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    site.fill()
    with ended(site):
        yield site


async def test_phones_get_their_documents_with_vectors_of_it(osmo: Osmo, site: Site) -> None:
    settings = {"hlr.osmo.address": osmo.address, "hlr.osmo.unit_name": "ecs-%d"}
    node = await asyncio.to_thread(site.node, "--workers", "2", settings=settings)
    async with Phone(THEIRS[0]) as phone, Phone(THEIRS[1], ahead=True) as late:
        assert vowifi_of(await phone.full(node)) == ENABLED
        assert vowifi_of(await late.full(node)) == ENABLED
        assert vowifi_of(await late.full(node)) == ENABLED
        assert node.metric("simgrant_hlrs", hlr="osmo", state="okay") == 2
        asked = node.metric("simgrant_gsup_requests_total", hlr="osmo", result="vectors")
        # The SIM that was ahead took a second one, the first time.
        assert asked == 4
        await osmo.kill()
        await until(
            lambda: node.metric("simgrant_hlrs", hlr="osmo", state="closed") == 2,
            what="the connections lost",
        )
        async with Phone(THEIRS[2]) as other:
            refused = await other.full(node)
            assert refused.status == 503
            assert int(refused.first("retry-after")) > 0
            assert vowifi_of(await phone.fast(node)) == ENABLED
            await osmo.start()
            await until(
                lambda: node.metric("simgrant_hlrs", hlr="osmo", state="okay") == 2,
                what="the connections back",
            )
            assert vowifi_of(await other.full(node)) == ENABLED
    assert await asyncio.to_thread(node.stop) == 0
    text = node.out.read_text()
    assert KEY.hex() not in text
    for sim in THEIRS:
        assert sim.imsi.digits not in text
