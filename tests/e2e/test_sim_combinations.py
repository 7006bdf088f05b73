"""Every application, every proof and every family, played by `simgrant sim` against `serve`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simgrant.sim.cli import app
from simgrant.sim.partner import DEMO_REQUESTOR
from simgrant.sim.profiles import ProfileName, Speaks
from simgrant.sim.sims import Sim
from tests.e2e.nodes import SIMS, Node, Site
from tests.e2e.pushing import Services, services
from tests.e2e.test_sign_in import BACK, provider

pytestmark = pytest.mark.e2e
STORE = ("--param", "store_vendor=google", "--param", "store_user_id=user-1")
ASKED = SIMS[3]
"""The one that owes its terms."""
AN_APP = ("--param", "client_id=org.example.app", "--param", "scope=msisdn")


@pytest.fixture(scope="module")
def portal(shared_site: Site) -> Iterator[str]:
    """A portal that asks one SIM for its terms, and writes down that they were given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            terms = "<input type=checkbox name=terms value=yes>"
            self._say(f"<title>Terms</title><form method=post action=/done>{terms}</form>")

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            if self.rfile.read(length) != b"terms=yes":
                return self.do_GET()
            shared_site.command("subscription", "set", ASKED.imsi.digits, "--terms", "given")
            return self._say("<title>Thank you</title>")

        def _say(self, html: str) -> None:
            body = f"{html}<script>VoWiFiWebServiceFlow.entitlementChanged()</script>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def push(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("push")) as found:
        yield found


@pytest.fixture(scope="module")
def node(shared_site: Site, push: Services, portal: str) -> Node:
    own = {
        "portal.public_url": portal,
        "auth.aka_prime": True,
        "tenants.default.otp_apps": ["ap2004"],
        "partners.shop.requestor_ids": [DEMO_REQUESTOR],
        "partners.shop.client_ids": ["org.example.app"],
        "partners.shop.access_token": False,
        "limits.imsi_source_burst": 0,
        "limits.imsi_burst": 0,
    }
    return shared_site.node(settings=push.settings() | own)


def play(node: Node, *arguments: str, sim: Sim = SIMS[0], code: int = 0) -> list[dict[str, Any]]:
    """Run a handset, and return what it says."""
    keys = ("--imsi", sim.imsi.digits, "--k", sim.k.hex(), "--opc", sim.opc.hex())
    done = CliRunner().invoke(app, ["handset", node.url, "--json", *keys, *arguments])
    assert done.exit_code == code, done.output
    assert sim.imsi.digits not in done.output or "--reveal" in arguments
    return [json.loads(line) for line in done.stdout.splitlines()]


def application(lines: list[dict[str, Any]], app_id: str) -> dict[str, Any]:
    found = lines[-1]["document"]["applications"][app_id]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def premium(shared_site: Site) -> Sim:
    """A SIM whose plan has everything."""
    shared_site.command("subscription", "set", SIMS[1].imsi.digits, "--plan", "premium")
    return SIMS[1]


@pytest.mark.parametrize(
    ("family", "app_id", "options", "parm"),
    [
        ("android-ims-provisioning", "ap2003", (), "VoiceOverCellularEntitleInfo"),
        ("samsung", "ap2003", (), "EntitlementStatus"),
        ("android-ims", "ap2004", (), "ServiceFlow_URL"),
        ("post", "ap2005", (), "EntitlementStatus"),
        ("rfc", "ap2010", ("--app", "ap2010"), "DataPlanInfo"),
        ("android-slice", "ap2010", (), "ProvStatus"),
        ("android-slice", "ap2010", ("--param", "boost_type=167"), "ProvStatus"),
        ("rfc", "ap2012", ("--app", "ap2012", *STORE), "MSG"),
        ("rfc", "ap2012", ("--app", "ap2012", *STORE, "--param", "MSG_btn=1"), "TC_Status"),
        ("android-satellite", "ap2016", (), "ServiceFlow_URL"),
        ("android-number", "ap2014", (), "OperationResult"),
        ("rfc", "ap2015", ("--app", "ap2015"), "OperationResult"),
    ],
)
def test_each_application_is_asked_for_by_sim_and_by_token(
    node: Node, premium: Sim, family: str, app_id: str, options: tuple[str, ...], parm: str
) -> None:
    lines = play(node, "--like", family, "--repeat", "token", *options, sim=premium)
    assert [line["leg"] for line in lines[:2]] == ["start", "answer"]
    # Slice and satellite clients keep no token.
    last = "answer" if family in ("android-slice", "android-satellite") else "token"
    assert lines[-1]["leg"] == last
    assert parm in application(lines, app_id)


def test_an_identity_for_wifi_networks(node: Node) -> None:
    # The plan that has it is another one.
    lines = play(node, "--like", "rfc", "--app", "ap2013", "--repeat", "token")
    assert "PrivateUserID" in application(lines, "ap2013")


@pytest.mark.parametrize("family", list(ProfileName))
def test_each_family_gets_its_answer(node: Node, family: ProfileName) -> None:
    # Huawei's and the ODSA client ask for what is not served yet: another application, then.
    odsa = family in (ProfileName.HUAWEI, ProfileName.ANDROID_ODSA)
    wishes = ["--app", "ap2004"] if odsa else []
    lines = play(node, "--like", family, "--repeat", "token", *wishes)
    assert lines[-1]["result"] == "document"


@pytest.mark.parametrize("eap", list(Speaks))
def test_each_kind_of_eap_gets_a_token_that_is_good(node: Node, eap: Speaks) -> None:
    lines = play(node, "--like", "samsung", "--eap", eap, "--repeat", "token", sim=SIMS[4])
    assert lines[-1]["leg"] == "token"
    method = "EAP-AKA'" if eap is Speaks.RFC_PRIME else "EAP-AKA"
    assert lines[0]["eap_received"].split()[0] == method


@pytest.mark.parametrize(
    ("app_id", "operation", "options", "parm"),
    [
        ("ap2014", "GetPhoneNumber", (), "MSISDN"),
        ("ap2014", "VerifyPhoneNumber", ("--param", "msisdn=+15550100"), "PhoneNumberVerification"),
        ("ap2014", "AcquireTemporaryToken", ("--targets", "GetPhoneNumber"), "TemporaryToken"),
        ("ap2015", "VerifyPhoneNumber", ("--param", "msisdn=+15550100"), "PhoneNumberVerification"),
        ("ap2015", "AcquireTemporaryToken", ("--targets", "VerifyPhoneNumber"), "TemporaryToken"),
        ("ap2015", "AcquireOperatorToken", AN_APP, "OperatorToken"),
    ],
)
def test_each_operation_of_a_handset(
    node: Node, app_id: str, operation: str, options: tuple[str, ...], parm: str
) -> None:
    wishes = ("--like", "android-number", "--app", app_id, "--operation", operation)
    lines = play(node, *wishes, *options)
    assert [line["leg"] for line in lines] == ["start", "answer", "token"]
    assert parm in application(lines, app_id)


@pytest.mark.parametrize(
    ("app_id", "token", "operation", "parm"),
    [
        ("ap2014", "TemporaryToken", "GetPhoneNumber", "MSISDN"),
        ("ap2014", "TemporaryToken", "GetSubscriberInfo", "SubscriberInfo"),
        ("ap2015", "OperatorToken", "GetSubscriberDeviceInfo", "MSISDN"),
        ("ap2015", "OperatorToken", "ValidateOperatorToken", "OperatorTokenValidity"),
    ],
)
def test_what_a_handset_lends_a_partner_redeems(
    node: Node, app_id: str, token: str, operation: str, parm: str
) -> None:
    lending = ("--like", "android-number", "--app", app_id, "--operation", f"Acquire{token}")
    more = ("--targets", operation) if token == "TemporaryToken" else AN_APP
    lent = application(play(node, *lending, *more, "--reveal"), app_id)
    arguments = ["partner", node.url, "--json", "--app", app_id, "--operation", operation]
    name = "--" + token.replace("Token", "-token").lower()
    about = ("--param", "client_id=org.example.app")
    done = CliRunner().invoke(app, [*arguments, *about, name, lent[token]])
    assert done.exit_code == 0, done.output
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert parm in line["document"]["applications"][app_id]
    assert line["document"]["token"] is None


def test_a_password_is_read_from_the_message_that_comes(node: Node, push: Services) -> None:
    sim = SIMS[2]
    assert sim.msisdn is not None
    wishes = ("--auth", "otp", "--msisdn", sim.msisdn.e164, "--push-service", push.phones)
    lines = play(node, *wishes, "--repeat", "token", sim=sim)
    assert [line["leg"] for line in lines] == ["sign-in", "password", "token"]


def test_a_second_factor_after_the_provider(
    shared_site: Site, push: Services, tmp_path: Path
) -> None:
    sim = SIMS[2]
    assert sim.msisdn is not None
    with provider(tmp_path, "--phone-number", sim.msisdn.e164) as issuer:
        own = {
            "issuer": issuer,
            "client_id": "simgrant",
            "secret_file": str(tmp_path / "secret"),
            "redirect_uri": BACK,
            "apps": ["ap2004"],
            # Nobody is there: whoever is told the state knows where to lead back to.
            "second_factor_url": "http://127.0.0.1:1/otp",
        }
        settings = {f"identity_providers.home.{name}": value for name, value in own.items()}
        node = shared_site.node(settings=push.settings() | settings)
        wishes = ("--auth", "oidc", "--msisdn", sim.msisdn.e164, "--push-service", push.phones)
        lines = play(node, *wishes, sim=sim)
        node.stop()
    assert [line["leg"] for line in lines] == ["sign-in", "callback", "callback"]
    assert [line["status"] for line in lines] == [302, 302, 200]
    assert lines[-1]["result"] == "document"


@pytest.mark.parametrize(
    ("family", "method", "content_type"),
    [("samsung", "GET", None), ("android-ims", "POST", "application/x-www-form-urlencoded")],
)
def test_what_the_page_asks_for_is_given_and_the_handset_gets_its_service(
    node: Node, shared_site: Site, portal: str, family: str, method: str, content_type: str | None
) -> None:
    shared_site.command("subscription", "set", ASKED.imsi.digits, "--terms", "missing")
    lines = play(node, "--like", family, "--web-view", "dismiss", sim=ASKED)
    page, called = lines[-2:]
    assert page["requests"] == [
        {
            "method": method,
            "url": f"{portal}/vowifi",
            "content_type": content_type,
            "status": 200,
        }
    ]
    assert (page["title"], page["html"]) == ("Terms", True)
    assert page["call_backs"] == ["VoWiFiWebServiceFlow.entitlementChanged"]
    assert (called["call"], called["named"]) == ("VoWiFiWebServiceFlow.dismissFlow", False)
    lines = play(node, "--like", family, "--web-view", "finish", sim=ASKED)
    page, form, called, again, changes = lines[-5:]
    assert (form["fields"], form["title"]) == (["terms"], "Thank you")
    assert called["call"] == "VoWiFiWebServiceFlow.entitlementChanged"
    assert again["leg"] == "token"
    changed = {each["parameter"]: (each["old"], each["new"]) for each in changes["changes"]}
    assert changed["TC_Status"] == ("0", "1")
    assert changed["EntitlementStatus"] == ("0", "1")
