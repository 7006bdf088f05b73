"""A relay, or a redirect agent, that python-diameter is, run in its own venv.

Called with its port and either `relay` with the name and port of an HSS, or `redirect` with a
Diameter URI. What it was asked is a line of JSON each, as far as routing goes; it stops, in good
order, when its standard input ends.
"""

import json
import sys
import threading
from typing import Any

from diameter.message import Avp  # type: ignore[import-not-found]
from diameter.message.constants import APP_3GPP_SWX  # type: ignore[import-not-found]
from diameter.node import Node  # type: ignore[import-not-found]
from diameter.node.application import ThreadingApplication  # type: ignore[import-not-found]

REALM = "epc.mnc001.mcc001.3gppnetwork.org"
TGPP = 10415
REDIRECTED, ALL_USER = 3006, 6
PORT, ROLE, WHERE = int(sys.argv[1]), sys.argv[2], sys.argv[3:]


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def first(avps: list[Any], code: int) -> Any:
    return next((avp.value for avp in avps if avp.code == code), None)


class Agent(ThreadingApplication):  # type: ignore[misc]
    """Passes requests on, or says who is to be asked."""

    def handle_request(self, asked: Any) -> Any:
        features = first(asked.avps, 621) or []
        say(priority=first(asked.avps, 301), features=first(features, 622))
        if ROLE == "redirect":
            told = self.generate_answer(asked, result_code=REDIRECTED)
            told.header.is_error = True
            told.append_avp(Avp.new(292, value=WHERE[0]))
            told.append_avp(Avp.new(261, value=ALL_USER))
            told.append_avp(Avp.new(262, value=60))
            return told
        ours = asked.header.hop_by_hop_identifier
        asked.header.hop_by_hop_identifier = 0
        asked.append_avp(Avp.new(282, value=asked.origin_host))
        told = self.send_request(asked, timeout=5)
        told.header.hop_by_hop_identifier = ours
        return told


node = Node(f"dra.{REALM}", REALM, ip_addresses=["127.0.0.1"], tcp_port=PORT, vendor_ids=[TGPP])
# Multimedia-Auth is that of Cx to it, which has AVPs more.
node.validate_received_request_avps = False
peers = [node.add_peer(f"aaa://ecs-0.{REALM}", REALM)]
if ROLE == "relay":
    name, port = WHERE
    peers.append(
        node.add_peer(f"aaa://{name}:{port}", REALM, ip_addresses=["127.0.0.1"], is_persistent=True)
    )
    node.peer_route_select_func = lambda *_: peers[-1]
app = Agent(APP_3GPP_SWX, is_auth_application=True)
node.add_application(app, peers)
node.start()
if ROLE == "relay":
    ready = threading.Event()
    while peers[-1].connection is None or not app.is_ready.is_set():
        ready.wait(0.05)
say(event="up")
sys.stdin.read()
say(event="down")
node.stop(wait_timeout=5)
