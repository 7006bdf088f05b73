"""Runs Debian's `eapol_test`, which is wpa_supplicant's EAP peer without a radio, with our SIM.

It has no Milenage of its own, and asks for the SIM on its control socket (`external_sim=1`).
Nothing is polled: the peer's first RADIUS packet proves that its control socket is there.
"""

import asyncio
import contextlib
import re
import shutil
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.interop.radius_bridge import Conversation, RadiusBridge

EAPOL_TEST = shutil.which("eapol_test")

_SECRET = b"only on loopback"
_DEADLINE = 25.0
_ASKED = re.compile(r"CTRL-REQ-SIM-(\d+):UMTS-AUTH:([0-9a-f]{32}):([0-9a-f]{32})")

SimCard = Callable[[bytes, bytes], str]
"""RAND and AUTN to what goes on the control socket: UMTS-AUTH, UMTS-AUTS or UMTS-FAIL."""


class Home(Protocol):
    """Whoever authenticates."""

    def converse(self, identity: bytes) -> Conversation: ...


@dataclass(frozen=True, slots=True)
class Ran:
    """What the foreign peer thinks of the authentication."""

    success: bool
    log: str
    bridge: RadiusBridge

    @property
    def keys_agree(self) -> int:
        """How many times its MSK was ours."""
        match = re.search(r"MPPE keys OK: (\d+)  mismatch: (\d+)", self.log)
        assert match, self.log
        assert match[2] == "0", self.log
        return int(match[1])


async def run(
    home: Home,
    card: SimCard,
    *,
    identity: str,
    method: str = "AKA",
    again: int = 0,
    phase1: str = "",
    keys: bool = True,
) -> Ran:
    """Authenticate once, and `again` more times; return the peer's verdict and its log.

    Without `keys` it does not expect to be told any.
    """
    assert EAPOL_TEST
    with tempfile.TemporaryDirectory(prefix="eapol-") as name, contextlib.ExitStack() as closing:
        place = Path(name)
        (place / "peer.conf").write_text(
            f"ctrl_interface={place}/ctrl\nexternal_sim=1\nnetwork={{\n key_mgmt=WPA-EAP\n"
            f' eap={method}\n identity="{identity}"\n phase1="{phase1}"\n}}\n'
        )
        socket_of = _Control(place, card)
        closing.callback(socket_of.close)

        def converse(given: bytes) -> Conversation:
            socket_of.attach()
            return home.converse(given)

        loop = asyncio.get_running_loop()
        transport, bridge = await loop.create_datagram_endpoint(
            lambda: RadiusBridge(_SECRET, converse), local_addr=("127.0.0.1", 0)
        )
        closing.callback(transport.close)
        port = transport.get_extra_info("sockname")[1]
        process = await asyncio.create_subprocess_exec(
            EAPOL_TEST, "-c", str(place / "peer.conf"), "-a", "127.0.0.1", "-p", str(port),
            "-s", _SECRET.decode(), "-t", "15", "-r", str(again), *(() if keys else ("-n",)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_DEADLINE):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        log = output.decode(errors="replace")
        assert bridge.failure is None, repr(bridge.failure)
        return Ran(process.returncode == 0 and log.rstrip().endswith("SUCCESS"), log, bridge)


class _Control:
    """The client end of the peer's control socket."""

    def __init__(self, place: Path, card: SimCard) -> None:
        self._place = place
        self._card = card
        self._socket: socket.socket | None = None

    def attach(self) -> None:
        """Ask for events. The peer is idle now, so its answer comes at once."""
        if self._socket is not None:
            return
        self._socket = control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        control.bind(str(self._place / "us"))
        control.connect(str(self._place / "ctrl" / "test"))
        control.settimeout(5)
        control.send(b"ATTACH")
        assert control.recv(64) == b"OK\n"
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control, self._readable)

    def _readable(self) -> None:
        assert self._socket
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while event := self._socket.recv(4096).decode(errors="replace"):
                if match := _ASKED.search(event):
                    said = self._card(bytes.fromhex(match[2]), bytes.fromhex(match[3]))
                    self._socket.send(f"CTRL-RSP-SIM-{match[1]}:{said}".encode())

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
