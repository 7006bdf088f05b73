"""Wireshark's dissector, which is not ours, reads what our Diameter node and our HSS say.

All of it goes through a tap that keeps the bytes; they are written as a capture of TCP, and no
field of any message may be malformed, or unknown to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from simgrant.adapters.authn import aaa_relay, cx, s6a
from simgrant.adapters.authn import swx as over_swx
from simgrant.adapters.network_data import sh as sh_data
from simgrant.adapters.network_data import swx as swx_data
from simgrant.domain.network_facts import Kind, Kinds
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Variant
from simgrant.eap.peer import AndroidPeer, Reply
from simgrant.eap.usim import SoftUsim
from simgrant.eap.vector import Resync
from simgrant.errors import AuthenticationRejected, PeerUnavailable
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.eap_servers import Relayed
from simgrant.ports.network_data import Subscriber
from simgrant.ports.vectors import VectorRequest, Vectors
from simgrant.sim.aaa.faults import Fault, Plan
from simgrant.sim.aaa.server import AaaServer
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.faults import Fault as HssFault
from simgrant.sim.hss.faults import Plan as HssPlan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import demo_sims
from simgrant.spec.countries import countries_of
from simgrant.wire.diameter import swx
from simgrant.wire.diameter.base import push_capabilities
from simgrant.wire.diameter.redirect import Usage
from tests.loopback.links.diameter.world import IMSI, REALM, US, World, hss_server, world

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("tshark") is None,
        reason="tshark is not installed (apt-get install tshark)",
    ),
]
_PORT: Final = 3868
_LINKTYPE_IPV4: Final = 228
_SEGMENT: Final = 1_400


class Tap:
    """Stands between two nodes, and keeps what each says to the other."""

    def __init__(self, hss: HssServer) -> None:
        self._hss = hss
        self._tasks: set[asyncio.Task[None]] = set()
        self.said: list[tuple[bool, bytes]] = []
        """Pieces in the order in which they came; True = of who connected."""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._between, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await asyncio.gather(*self._tasks)

    async def _between(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, there = await asyncio.open_connection("127.0.0.1", self._hss.port)
        for ours, reader, writer in ((True, near, there), (False, far, back)):
            task = asyncio.create_task(self._pass_on(reader, writer, ours=ours))
            self._tasks.add(task)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, ours: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                self.said.append((ours, piece))
                writer.write(piece)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def capture(said: list[tuple[bool, bytes]]) -> bytes:
    """Return a capture file of one TCP connection in which this was said."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, _LINKTYPE_IPV4)]
    sent = {True: 1, False: 1}
    number = 0
    for ours, piece in said:
        for start in range(0, len(piece), _SEGMENT):
            data = piece[start : start + _SEGMENT]
            ports = (40_000, _PORT) if ours else (_PORT, 40_000)
            tcp = struct.pack(
                "!HHIIBBHHH", *ports, sent[ours], sent[not ours], 5 << 4, 0x18, 65_535, 0, 0
            )
            hosts = (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")[:: 1 if ours else -1]
            ip = struct.pack(
                "!BBHHHBBH", 0x45, 0, 40 + len(data), number & 0xFFFF, 0, 64, 6, 0
            ) + b"".join(hosts)
            packet = ip + tcp + data
            parts += [struct.pack("<IIII", number, 0, len(packet), len(packet)), packet]
            sent[ours] += len(data)
            number += 1
    return b"".join(parts)


def dissected(folder: Path, said: list[tuple[bool, bytes]]) -> list[dict[str, Any]]:
    """Return each message as tshark reads it."""
    file = folder / "said.pcap"
    file.write_bytes(capture(said))
    command = ("tshark", "-n", "-r", str(file), "-d", f"tcp.port=={_PORT},diameter")
    ran = subprocess.run(
        (
            *command,
            "-T",
            "json",
            "-J",
            "diameter data _ws.malformed _ws.expert",
            "--no-duplicate-keys",
        ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[dict[str, Any]] = []
    for packet in json.loads(ran.stdout):
        layers = packet["_source"]["layers"]
        assert "_ws.malformed" not in layers, layers
        assert "data" not in layers, "it was not recognised"
        messages = layers.get("diameter", [])
        found += messages if isinstance(messages, list) else [messages]
    return found


def complaints(message: Any) -> list[str]:
    """Return what tshark finds wrong within a message."""
    if isinstance(message, list):
        return [said for each in message for said in complaints(each)]
    if not isinstance(message, dict):
        return []
    said = [str(value) for key, value in message.items() if key == "_ws.expert.message"]
    unknown = [key for key in message if "unknown" in key.lower() or "malformed" in key.lower()]
    return said + unknown + [text for value in message.values() for text in complaints(value)]


async def _fetched(vectors: Vectors, made: World, variant: Variant = Variant.AKA) -> None:
    request = VectorRequest("default", Imsi(IMSI), variant)
    deadline = made.clock.monotonic() + 10
    await vectors.fetch(request, deadline=deadline)
    resync = VectorRequest("default", Imsi(IMSI), variant, Resync(bytes(16), bytes(14)))
    with contextlib.suppress(AuthenticationRejected):
        await vectors.fetch(resync, deadline=deadline)


async def _of_routing(made: World) -> None:
    """Ask for data as urgently as can be; be redirected, and told of an overload."""
    route = replace(made.route.config, message_priority=0)
    data = swx_data.open_data(swx_data.Config(route=route, realm=REALM), node=made.node)
    deadline = made.clock.monotonic() + 10
    who, number = Subscriber(Imsi(IMSI)), Kinds({Kind.NUMBER})
    assert (await data.ask(who, number, deadline=deadline)).number is not None
    uri = f"aaa://hss1.{REALM}:3868;transport=tcp"
    made.hss.plan = HssPlan(fault=HssFault.REDIRECT, times=1, to=(uri,), usage=Usage.ALL_USER)
    with pytest.raises(PeerUnavailable, match=f"hss1.{REALM}"):
        await data.ask(who, number, deadline=deadline)
    made.hss.plan = HssPlan(fault=HssFault.OVERLOAD, times=1, percent=40)
    await data.ask(who, number, deadline=deadline)
    assert made.diary.reports == [("home", f"hss0.{REALM}", 40)]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What is said over every interface, from the first words to the good-bye."""

    async def play() -> list[tuple[bool, bytes]]:
        hss = hss_server(0)
        tap = Tap(hss)
        async with tap.listening() as port, world(hss, peers=({"port": port},)) as made:
            route, node = made.route.config, made.node
            aaa = over_swx.open_vectors(over_swx.Config(route=route, realm=REALM), node=node)
            for variant in Variant:
                await _fetched(aaa, made, variant)
            over_s6a = s6a.Config(route=route, realm=REALM, visited_plmn="001-01")
            await _fetched(s6a.open_vectors(over_s6a, node=node), made)
            over_cx = cx.Config(
                route=route,
                realm=REALM,
                domain="ims.mnc001.mcc001.3gppnetwork.org",
                server_name="sip:ecs.example.com",
            )
            await _fetched(cx.open_vectors(over_cx, node=node), made)
            await _of_routing(made)
            own = sh_data.Config(route=route, realm=REALM, domain=over_cx.domain)
            users, deadline = sh_data.open_data(own, node=node), made.clock.monotonic() + 10
            for number in (None, Msisdn("447700900001")):
                known = await users.ask(
                    Subscriber(Imsi(IMSI), number), Kinds(Kind), deadline=deadline
                )
                assert known.visited_plmn == "00101"
            for command in (swx.Command.PUSH_PROFILE, swx.Command.REGISTRATION_TERMINATION):
                hss.push(command, IMSI)
            await made.until(lambda: len(hss.told) == 2)
        return tap.said

    return dissected(tmp_path_factory.mktemp("capture"), asyncio.run(play()))


def test_every_command_was_seen(messages: list[dict[str, Any]]) -> None:
    seen = Counter(int(each["diameter.cmd.code"]) for each in messages)
    # Capabilities, good-bye, SWx and Cx's Multimedia-Auth, S6a's Authentication-Information,
    # Server-Assignment, Sh's User-Data, Push-Profile, Registration-Termination; each with its
    # answer.
    assert seen[303] == 2 * (2 * 2 + 2)
    assert {257, 282, 301, 303, 304, 305, 306, 318} <= seen.keys()
    assert all(count % 2 == 0 for count in seen.values()), seen


def _values(message: Any, name: str) -> list[str]:
    """Return all values of a field, however deep."""
    if isinstance(message, list):
        return [found for each in message for found in _values(each, name)]
    if not isinstance(message, dict):
        return []
    own = [str(message[name])] if isinstance(message.get(name), str) else []
    return own + [found for value in message.values() for found in _values(value, name)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("DRMP", "0"),
        ("OC-Feature-Vector", "1"),
        ("Redirect-Host", f"aaa://hss1.{REALM}:3868;transport=tcp"),
        ("Redirect-Host-Usage", "6"),
        ("Redirect-Max-Cache-Time", "30"),
        ("OC-Sequence-Number", "1"),
        ("OC-Report-Type", "0"),
        ("OC-Reduction-Percentage", "40"),
        ("OC-Validity-Duration", "30"),
        ("Server-Assignment-Type", "12"),
        ("Subscription-Id-Data", "447700900001"),
        ("Data-Reference", "14"),
        ("Data-Reference", "15"),
        ("Data-Reference", "17"),
        ("Requested-Domain", "1"),
        ("Current-Location", "0"),
        ("MSISDN", "44:77:00:09:00:10"),
    ],
)
def test_what_we_say_is_what_it_reads(
    messages: list[dict[str, Any]], field: str, value: str
) -> None:
    assert value in _values(messages, f"diameter.{field}")


def test_nothing_is_malformed_or_unknown(messages: list[dict[str, Any]]) -> None:
    assert [said for each in messages for said in complaints(each)] == []


async def _relayed(interface: str) -> list[tuple[bool, bytes]]:
    """Return what is said to an AAA server, with its questions who it is and a second challenge."""
    sim = demo_sims()[0]
    server = AaaServer(Auc([sim]), host=f"hss0.{REALM}", realm=REALM)
    server.wrong = Plan(fault=Fault.IDENTITY_ROUNDS)
    tap = Tap(server)
    async with tap.listening() as port, world(server, peers=({"port": port},)) as made:
        config = aaa_relay.Config(route=made.route.config, realm=REALM, interface=interface)
        relay = aaa_relay.open_eap_server(config, node=made.node)
        ahead = SoftUsim(Milenage(sim.k, sim.opc), taken=[1 << 40 | ind for ind in range(32)])
        phone = AndroidPeer(ahead, sim.nai().encode())
        deadline = made.clock.monotonic() + 10
        said: Relayed | None = await relay.begin(sim.nai(), deadline=deadline)
        while said is not None:
            reply = phone.answer(said.packet)
            assert isinstance(reply, Reply)
            said = await relay.answer(said.held, sim.imsi, reply.data, deadline=deadline)
        assert [seen.result[1] for seen in server.heard] == [1001, 1001, 1001, 1001, 2001]
    return tap.said


@pytest.mark.parametrize(("interface", "application"), [("swm", 16777264), ("eap", 5)])
async def test_what_is_said_to_an_aaa_server_is_right(
    tmp_path: Path, interface: str, application: int
) -> None:
    found = dissected(tmp_path, await _relayed(interface))
    of_eap = [each for each in found if each["diameter.cmd.code"] == "268"]
    assert len(of_eap) == 10
    assert {int(each["diameter.applicationId"]) for each in of_eap} == {application}
    assert [said for each in found for said in complaints(each)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        struct.pack("!II", 264, 0x40 << 24 | 200) + b"abcd",
        struct.pack("!II", 99_999, 0x40 << 24 | 12) + b"abcd",
        struct.pack("!II", 268, 0x40 << 24 | 10) + b"ab\0\0",
    ],
    ids=["cut off", "unknown", "too short"],
)
def test_what_is_malformed_would_be_seen(tmp_path: Path, wrong: bytes) -> None:
    avps = push_capabilities(US, "127.0.0.1") + wrong
    head = struct.pack("!IIIII", 1 << 24 | 20 + len(avps), 0x80 << 24 | 257, 0, 1, 1)
    (message,) = dissected(tmp_path, [(True, head + avps)])
    assert complaints(message)


def test_its_country_codes_are_ours() -> None:
    """It has the list of ITU-T E.212; from 900 on there are no countries."""
    listing = subprocess.run(
        ["tshark", "-G", "values"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    rows = [line.split("\t") for line in listing.stdout.splitlines()]
    assigned = {
        row[2]
        for row in rows
        if row[:2] == ["V", "e212.mcc"] and int(row[2]) < 900 and row[3] != "Unassigned"
    }
    assert len(assigned) > 200
    ours = {str(mcc) for mcc in range(200, 1_000) if countries_of(str(mcc))}
    assert assigned <= ours
    # Networks use them all the same.
    assert ours - assigned == {"289", "995"}
