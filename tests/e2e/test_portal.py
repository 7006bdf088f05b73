"""The portal as a process: a link for a browser, two workers on one socket, a page to its end."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest
from lxml import html

from tests.e2e.nodes import SIMS, Site
from tests.servers.process import free_port

pytestmark = pytest.mark.e2e


def fetch(url: str, body: bytes | None = None) -> tuple[int, html.HtmlElement]:
    request = urllib.request.Request(url, body, {"accept-language": "fr"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, html.document_fromstring(answer.read().decode())
    except urllib.error.HTTPError as refused:
        return refused.code, html.document_fromstring(refused.read().decode())


def test_a_page_from_its_link_to_its_end(sqlite_site: Site) -> None:
    site = sqlite_site
    place = f"127.0.0.1:{free_port()}"
    portal = {"portal.listen": place, "portal.public_url": f"http://{place}"}
    site.settings = {**site.settings, **portal}
    node = site.node("--workers", "2", settings=portal)
    imsi = SIMS[0].imsi.digits
    site.command("subscription", "set", imsi, "--address", "missing")
    link = site.command("page", imsi, "vowifi").stdout.strip()
    assert link.startswith(f"http://{place}/vowifi?flow=")
    assert imsi not in link
    # Whichever worker takes a connection: all of them go on with the same visit.
    for _ in range(8):
        status, page = fetch(link)
        assert (status, page.get("lang")) == (200, "fr")
        assert page.findtext(".//h1").startswith("Votre adresse pour les appels")
    (form,) = page.forms
    fields = dict(form.form_values()) | {
        "street": "Rue de Rivoli",
        "number": "1",
        "postcode": "75001",
        "city": "Paris",
        "country": "FR",
        "do": "go",
    }
    status, done = fetch(form.action, urlencode(fields).encode())
    assert (status, done.find("body").get("data-call")) == (200, "changed")
    shown = json.loads(site.command("subscription", "export", imsi).stdout)
    (consent,) = (each for each in shown["consents"] if each["kind"] == "address")
    assert consent["status"] == "given"
    (address,) = (each for each in shown["holdings"] if "street" in each)
    assert (address["street"], address["country"]) == ("Rue de Rivoli", "FR")
    status, _ = fetch(link.replace("flow=", "flow=x"))
    assert status == 403
    with urllib.request.urlopen(f"{node.management_url}metrics", timeout=20) as answer:
        metrics = answer.read().decode()
    assert 'leg="web_view"' in metrics
    assert imsi not in metrics


def test_a_link_for_what_has_no_page(sqlite_site: Site) -> None:
    imsi = SIMS[0].imsi.digits
    for arguments, said in (
        (("page", imsi, "smsoip"), "has no page"),
        (("page", imsi, "ap2010"), "say which boost"),
        (("page", imsi, "ap2012"), "say which store"),
        (("page", imsi, "ap2009"), "say which order"),
        (("page", imsi, "ap2006", "--order", "3f"), "0 orders of"),
        (("page", "001019999999999", "vowifi"), "no such subscription"),
    ):
        with pytest.raises(AssertionError, match=said):
            sqlite_site.command(*arguments)
    sqlite_site.settings = {"portal.listen": ""}
    with pytest.raises(AssertionError, match="has no pages"):
        sqlite_site.command("page", imsi, "vowifi")


def test_what_was_bought_is_printed_for_who_charges_for_it(sqlite_site: Site) -> None:
    site = sqlite_site
    place = f"127.0.0.1:{free_port()}"
    portal = {"portal.listen": place, "portal.public_url": f"http://{place}"}
    site.settings = {**site.settings, **portal}
    site.node(settings=portal)
    imsi = SIMS[1].imsi.digits
    site.command("subscription", "set", imsi, "--plan", "premium")
    _, page = fetch(site.command("page", imsi, "ap2010", "--boost-type", "0").stdout.strip())
    (form,) = page.forms
    fields = dict(form.form_values()) | {"offer": "1", "do": "go"}
    status, done = fetch(form.action, urlencode(fields).encode())
    assert status == 200
    # Milliseconds that are left of a day, part of which may have passed.
    assert 80_000_000 < int(done.find("body").get("data-duration") or 0) <= 86_400_000
    (line,) = site.command("subscription", "purchases").stdout.splitlines()
    bought = json.loads(line)
    assert bought.pop("at").endswith("Z")
    assert bought == {
        "imsi": imsi,
        "what": "boost 166",
        "price": "2.99 EUR",
        "lasts_s": 86_400,
    }
    assert site.command("subscription", "purchases", "--since", "2999-01-01").stdout == ""
    (kept,) = json.loads(site.command("subscription", "export", imsi).stdout)["purchases"]
    assert kept["price"] == "2.99 EUR"
    with pytest.raises(AssertionError, match="is no time"):
        site.command("subscription", "purchases", "--since", "yesterday")
