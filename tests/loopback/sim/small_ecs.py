"""The smallest server a handset can authenticate with: our EAP machine behind one address."""

from urllib.parse import parse_qsl, urlsplit

from simgrant.eap import machine
from simgrant.eap.algorithm import open_auts
from simgrant.eap.machine import (
    Accept,
    Aka,
    FetchVector,
    IdentityGiven,
    Input,
    PacketReceived,
    Reject,
    SendPacket,
    VectorFetched,
    step,
)
from simgrant.eap.milenage import Milenage
from simgrant.errors import BadRequest
from simgrant.sim.sims import Sim
from simgrant.wire.relay import pull_relay, push_relay
from tests.loopback.sim.scripted import RELAY, XML, Seen, answer

RAND = bytes.fromhex("23553cbe9637a89d218ae64dae47bf35")
AMF = b"\x80\0"


def document(*apps: str, token: str = "T0ken-of-24-characters-x", validity: int = 600) -> bytes:
    """Return a document for these applications, with a TOKEN unless it is empty."""
    held = f'<parm name="token" value="{token}"/><parm name="validity" value="{validity}"/>'
    return (
        '<?xml version="1.0"?><wap-provisioningdoc version="1.1">'
        '<characteristic type="VERS"><parm name="version" value="7"/>'
        '<parm name="validity" value="172800"/></characteristic>'
        + (f'<characteristic type="TOKEN">{held}</characteristic>' if token else "")
        + "".join(
            f'<characteristic type="APPLICATION"><parm name="AppID" value="{app}"/>'
            '<parm name="EntitlementStatus" value="1"/></characteristic>'
            for app in apps
        )
        + "</wap-provisioningdoc>"
    ).encode()


class SmallEcs:
    """One SIM's authentication, with cookie, resynchronisation and the last answer kept."""

    cookie = "c0ffee00c0ffee00"

    def __init__(self, sim: Sim, *, sqn: int = 32, doc: bytes | None = None) -> None:
        self._algorithm = Milenage(sim.k, sim.opc)
        self._sqn = sqn
        self._aka = Aka.new()
        self._doc = document("ap2004") if doc is None else doc
        self._accepted = b""
        self.rejected: list[machine.RejectReason] = []

    def __call__(self, seen: Seen) -> bytes:
        parameters = dict(parse_qsl(urlsplit(seen.target).query))
        if "EAP_ID" in parameters:
            self._aka = Aka.new()
            return self._run(IdentityGiven(parameters["EAP_ID"].encode()))
        if parameters.get("token", "").startswith("T0ken"):
            return answer("200 OK", self._doc, XML)
        if seen.all("Cookie") != [f"S={self.cookie}"]:
            return answer("511 Network Authentication Required")
        try:
            packet = pull_relay(seen.body)
        except BadRequest:
            return answer("400 Bad Request")
        if packet == self._accepted:
            return answer("200 OK", self._doc, XML)
        return self._run(PacketReceived(packet))

    def _run(self, given: Input) -> bytes:
        received = given
        while True:
            self._aka, action = step(self._aka, given)
            match action:
                case FetchVector(resync=resync):
                    if resync is not None:
                        sqn = open_auts(self._algorithm, resync.rand, resync.auts)
                        if sqn is None:
                            return answer("403 Forbidden")
                        self._sqn = sqn
                    self._sqn += 32
                    given = VectorFetched(self._algorithm.generate(RAND, sqn=self._sqn, amf=AMF))
                case SendPacket(data):
                    return challenge(data, f"S={self.cookie}; Path=/; HttpOnly")
                case Accept():
                    assert isinstance(received, PacketReceived)
                    self._accepted = received.data
                    return answer("200 OK", self._doc, XML)
                case Reject(reason):
                    self.rejected.append(reason)
                    return answer("403 Forbidden")
                case _:
                    raise AssertionError(action)


def challenge(packet: bytes, *cookies: str) -> bytes:
    """Return a relayed EAP packet with these cookies."""
    return answer(
        "200 OK", push_relay(packet), RELAY, *(("Set-Cookie", cookie) for cookie in cookies)
    )
