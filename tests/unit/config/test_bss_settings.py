"""Settings of a BSS: what they mean, and what check-config says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from simgrant.config.bss import bss_of
from simgrant.config.load import Loaded, load
from simgrant.config.tmf import inventories_of, provisioning_of, states_of
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import StartRefused
from simgrant.spec.ids import ProvStatus

HEAD = '[bss.crm]\ntype = "tmf"\nurl = "https://bss.example.com"\n'
PLANS = '[bss.crm.products.plans]\nXL = "premium"\n'
GOOD = HEAD + PLANS


def read(folder: Path, text: str) -> Loaded:
    file = folder / "simgrant.toml"
    file.write_text(text)
    return load(file, {})


def with_key(key: str, value: str, table: str = "products") -> str:
    """Return good settings with one more key in a table of them."""
    if not table:
        return HEAD + f"{key} = {value}\n" + PLANS
    return GOOD + f"[bss.crm.{table}]\n{key} = {value}\n"


def test_inventories_are_asked_where_something_is_mapped(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD).settings.bss["crm"]
    assert [name for name, _ in inventories_of(table)] == ["products"]
    text = GOOD + '[bss.crm.services]\nvowifi = ["x"]\n[bss.crm.resources.values]\nmsisdn = "n"\n'
    table = read(tmp_path, text).settings.bss["crm"]
    assert [name for name, _ in inventories_of(table)] == ["products", "services", "resources"]


def test_states_have_their_usual_meanings_and_those_that_are_set(tmp_path: Path) -> None:
    text = with_key("states", '{ paused = "suspended", terminated = "" }')
    states = states_of(read(tmp_path, text).settings.bss["crm"].products)
    assert states["active"] is SubscriptionStatus.ACTIVE
    assert states["paused"] is SubscriptionStatus.SUSPENDED
    assert states["terminated"] is states["created"] is None
    text = with_key("provisioning", '{ waiting = "in_progress" }', "services")
    found = provisioning_of(read(tmp_path, text).settings.bss["crm"].services)
    assert (found["waiting"], found["active"]) == (ProvStatus.IN_PROGRESS, ProvStatus.PROVISIONED)


def test_a_bss_is_of_the_tenants_that_it_names(tmp_path: Path) -> None:
    tenants = '[tenants.blue]\nplmns = ["001-01"]\n[tenants.red]\nplmns = ["001-02"]\n'
    settings = read(tmp_path, with_key("tenants", '["red"]', "") + tenants).settings
    assert [bss_of(settings, name) for name in ("blue", "red")] == ["", "crm"]
    second = '[bss.other]\nurl = "https://b.example.com"\n[bss.other.products.plans]\nX = "x"\n'
    with pytest.raises(StartRefused, match="tenant red has several: crm, other"):
        read(tmp_path, with_key("tenants", '["red"]', "") + tenants + second)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[bss.crm]\ntype = "tmf"\n' + PLANS, "bss.crm.url: must be set"),
        (GOOD.replace("https", "http"), "is not https; say plain = true"),
        (GOOD.replace(".com", ".com/?a=b"), "is more than scheme, host, port and a path"),
        (GOOD.replace("https://", "https://me@"), "is no http:// or https:// address"),
        (HEAD, "bss.crm: nothing is mapped"),
        (with_key("timeout_s", "99.0", ""), "bss.crm.timeout_s"),
        (with_key("max_bytes", "3", ""), "bss.crm.max_bytes"),
        (with_key("tenants", '["nobody"]', ""), "there is no tenant nobody"),
        (with_key("certificate", '"c.pem"', ""), "certificate and key go together"),
        (with_key("token_url", '"https://a.example"', ""), "client_id and secret_file must be set"),
        (with_key("client_id", '"ecs"', ""), "token_url: must be set, for client_id"),
        (with_key("user", '"ecs"', ""), "user and password_file go together"),
        (with_key("api_key_header", '"a b"', ""), "is no name of a header"),
        (with_key("headers", '{ x-a = "a\\nb" }', ""), "can be sent in no header"),
        (with_key("path", '"no path"'), "bss.crm.products.path"),
        (with_key("filter", "[]"), "bss.crm.products.filter: must be set"),
        (with_key("filter", '["msisdn"]'), "is no parameter such as"),
        (with_key("filter", '["a={eid}"]'), "nothing else"),
        (with_key("filter", '["a={imsi!r}"]'), "nothing else"),
        (with_key("filter", '["a={imsi.digits}"]'), "nothing else"),
        (with_key("filter", '["a={imsi"]'), "a brace without its twin"),
        (with_key("owner", "[]"), "bss.crm.products.owner: must be set"),
        (with_key("page", "0"), "bss.crm.products.page"),
        (with_key("pages", "21"), "bss.crm.products.pages"),
        (with_key("states", '{ active = "on" }'), "bss.crm.products.states"),
        (with_key("values", '{ options = "o" }'), "nothing that a characteristic can tell"),
        (with_key("meanings", '{ terms = { Y = "given" } }'), "values.terms must be set"),
        (
            with_key("values", '{ terms = "t" }') + 'meanings = { terms = { Y = "yes" } }\n',
            "'yes' means nothing",
        ),
        (
            with_key("values", '{ msisdn = "t" }') + '[bss.crm.services.values]\nmsisdn = "n"\n',
            "services.values.msisdn: products tells that already",
        ),
        (
            with_key("vowifi", '["v"]', "services") + 'provisioning = { a = "b" }\n',
            "bss.crm.services.provisioning",
        ),
        (with_key("names", '{ puk = "x" }', "orders") + "on = true\n", "'puk' is none of"),
        (with_key("names", '{ iccid = "" }', "orders") + "on = true\n", "names.iccid"),
        (with_key("patience_s", "60.0", "orders") + "on = true\n", "patience_s"),
        (with_key("look_every_s", "0.5", "orders") + "on = true\n", "look_every_s"),
        (with_key("offering", '""', "orders") + "on = true\n", "orders.offering"),
        (with_key("path", '"x y"', "orders") + "on = true\n", "orders.path"),
        (with_key("names", '{ puk = "x" }', "qualification") + "on = true\n", "'puk' is none of"),
        (
            with_key("names", '{ imsi = "", msisdn = "" }', "qualification") + "on = true\n",
            "imsi or msisdn must have a name",
        ),
        (with_key("path", '"x y"', "qualification") + "on = true\n", "qualification.path"),
        (with_key("resource", '"check"', "qualification"), "qualification.resource"),
        (with_key("path", '"x y"', "offers") + "on = true\n", "offers.path"),
        (with_key("filter", '["x"]', "offers") + "on = true\n", "offers.filter"),
        (with_key("plans", '{ a = "" }', "offers") + "on = true\n", "offers.plans"),
        (with_key("every_s", "0.0", "offers") + "on = true\n", "offers.every_s"),
        (with_key("path", '"x y"', "activation") + "on = true\n", "activation.path"),
        (with_key("order_path", '"x y"', "activation") + "on = true\n", "activation.order_path"),
        (with_key("specification", '""', "activation") + "on = true\n", "specification: must be"),
        (with_key("look_every_s", "0.5", "activation") + "on = true\n", "look_every_s"),
        (with_key("msisdn", '"imsi"', "activation") + "on = true\n", "names of their own"),
        (
            with_key("imsi", '""', "activation") + 'on = true\nmsisdn = ""\n',
            "imsi or msisdn must have a name",
        ),
        (with_key("path", '"x y"', "addresses") + "on = true\n", "addresses.path"),
        (with_key("on", "true", "addresses"), "addresses.countries: must be set"),
        (
            with_key("countries", '{ de = "x" }', "addresses") + "on = true\n",
            "'de' is no country with a name",
        ),
        (
            with_key("countries", '{ DE = "x" }', "addresses")
            + 'on = true\nneeds = { FR = ["floor"] }\n',
            "'FR' is none of its countries",
        ),
        (
            with_key("countries", '{ DE = "x" }', "addresses")
            + 'on = true\nneeds = { DE = ["floor"] }\n',
            "'floor' is no part of an address",
        ),
        (
            GOOD + '[portal]\naddress_validator = "bss.crm"\n',
            "neither embedded nor a bss.NAME with addresses.on",
        ),
        (
            GOOD + '[esim.w]\norder_mode = "bss"\nplans_of_bss = true\n',
            "esim.w.plans_of_bss: there is no [bss.NAME.offers] that is on",
        ),
        (with_key("plan", "{}"), 'unknown key bss.crm.products.plan; did you mean "plans"?'),
        (GOOD.replace('"tmf"', '"soap"'), "bss.crm.type"),
    ],
)
def test_what_cannot_work_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StartRefused) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
