"""An HSS that python-diameter is, run in its own venv.

Called with a port and IMSI=RAND.AUTN.RES.CK.IK: it knows vectors that it was given, and no key.
What it was asked is a line of JSON each; it stops, in good order, when its standard input ends.
"""

import json
import sys
from typing import Any

from diameter.message import Avp  # type: ignore[import-not-found]
from diameter.message.constants import (  # type: ignore[import-not-found]
    APP_3GPP_SH,
    APP_3GPP_SWX,
)
from diameter.node import Node  # type: ignore[import-not-found]
from diameter.node.application import SimpleThreadingApplication  # type: ignore[import-not-found]

REALM = "epc.mnc001.mcc001.3gppnetwork.org"
TGPP = 10415
SUCCESS = 2001
PORT = int(sys.argv[1])
VECTORS = {
    imsi: [bytes.fromhex(part) for part in vector.split(".")]
    for imsi, vector in (each.split("=") for each in sys.argv[2:])
}
SH_DATA = (
    b'<?xml version="1.0" encoding="UTF-8"?><Sh-Data>'
    b"<PublicIdentifiers><MSISDN>447700900001</MSISDN></PublicIdentifiers>"
    b"<Extension><Extension><Extension><Extension><EPSUserState>2</EPSUserState>"
    b"<EPSLocationInformation><TrackingAreaId>YvIQAAE=</TrackingAreaId>"
    b"<AgeOfLocationInformation>1</AgeOfLocationInformation></EPSLocationInformation>"
    b"</Extension></Extension></Extension></Extension></Sh-Data>"
)


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def first(avps: list[Any], code: int) -> Any:
    return next((avp.value for avp in avps if avp.code == code), None)


def handle(app: Any, asked: Any) -> Any:
    imsi = asked.user_name
    wanted = first(asked.avps, 612) or []
    resync = first(wanted, 610)
    say(imsi=imsi, scheme=first(wanted, 608), resync=resync.hex() if resync else "")
    told = app.generate_answer(asked)
    told.auth_session_state = 1
    if imsi not in VECTORS:
        told.append_avp(Avp.new(297, value=[Avp.new(266, value=TGPP), Avp.new(298, value=5001)]))
        return told
    rand, autn, res, ck, ik = VECTORS[imsi]
    told.result_code = SUCCESS
    told.user_name = imsi
    told.append_avp(
        Avp.new(
            612,
            TGPP,
            value=[
                Avp.new(613, TGPP, value=0),
                Avp.new(608, TGPP, value=first(wanted, 608)),
                Avp.new(609, TGPP, value=rand + autn),
                Avp.new(610, TGPP, value=res),
                Avp.new(625, TGPP, value=ck),
                Avp.new(626, TGPP, value=ik),
            ],
        )
    )
    return told


def tell(app: Any, asked: Any) -> Any:
    identity = asked.user_identity
    say(
        number=identity.msisdn.hex() if identity.msisdn else "",
        public=identity.public_identity or "",
        private=asked.user_name,
        # Of several it keeps the last in its attribute.
        references=sorted(avp.value for avp in asked.avps if avp.code == 703),
        domain=asked.requested_domain,
        current=asked.current_location,
    )
    told = app.generate_answer(asked)
    told.auth_session_state = 1
    told.result_code = SUCCESS
    told.append_avp(Avp.new(702, TGPP, value=SH_DATA))
    return told


node = Node(f"hss.{REALM}", REALM, ip_addresses=["127.0.0.1"], tcp_port=PORT, vendor_ids=[TGPP])
# Multimedia-Auth is that of Cx to it, which has AVPs more.
node.validate_received_request_avps = False
peer = node.add_peer(f"aaa://ecs-0.{REALM}", REALM)
for number, handler in ((APP_3GPP_SWX, handle), (APP_3GPP_SH, tell)):
    app = SimpleThreadingApplication(number, is_auth_application=True, request_handler=handler)
    node.add_application(app, [peer])
node.start()
say(event="up")
sys.stdin.read()
node.stop(wait_timeout=5)
