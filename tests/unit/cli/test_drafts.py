"""A row is checked completely, and its mistakes are named without repeating a key."""

import pytest

from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.eap.milenage import opc_from_op
from simgrant.eap.tuak import topc_from_top
from simgrant.flows import demo_data
from simgrant.flows.subscriptions import (
    COLUMNS,
    BadRow,
    Context,
    Draft,
    check,
    draft,
    edit,
    visited_plmn,
)
from simgrant.spec.ids import ProvStatus

NOW = 1_800_000_000
TENANT = Tenant("default", plmns=(Plmn("001", "01"),))
CONTEXT = Context(TENANT, {"standard", "basic"}, NOW)
ROW = {"imsi": "001010000000001", "plan": "standard"}
K = "465b5ce8b199b49faa5f0a2ee238a6bc"
OPC = "cd63cb71954a9f4e48a5994e37a02baf"
KEYS = {"k": K, "opc": OPC}


def made(**more: str) -> Draft:
    return draft({**ROW, **more}, CONTEXT)


def test_a_short_row_gets_safe_defaults() -> None:
    subscription = made().subscription
    assert subscription.status is SubscriptionStatus.ACTIVE
    assert subscription.provisioning is ProvStatus.NOT_REQUIRED
    assert subscription.msisdn is None
    assert made().secrets is None
    assert made().consents == ()


def test_token_epoch_starts_at_the_present_time() -> None:
    """Or a token of an erased subscription would come alive when it is made again."""
    subscription = made().subscription
    assert subscription.token_epoch == NOW
    assert (subscription.created_at, subscription.changed_at) == (NOW, NOW)


def test_a_whole_row() -> None:
    whole = made(
        msisdn="447700900001",
        status="suspended",
        gid1="ab",
        provisioning="in_progress",
        visited_plmn="262-01",
        terms="given",
        terms_version="2026-01",
        address="in_progress",
        address_id="A1",
        mnc_digits="2",
        **KEYS,
    )
    subscription = whole.subscription
    assert subscription.msisdn is not None
    assert subscription.msisdn.e164 == "+447700900001"
    assert subscription.status is SubscriptionStatus.SUSPENDED
    assert (subscription.gid1, subscription.provisioning) == ("AB", ProvStatus.IN_PROGRESS)
    assert (subscription.visited_plmn, subscription.visited_at) == ("26201", NOW)
    terms, address = whole.consents
    assert (terms.status, terms.version, terms.at) == (ConsentStatus.GIVEN, "2026-01", NOW)
    assert (address.status, address.version) == (ConsentStatus.IN_PROGRESS, "A1")


def test_milenage_keys() -> None:
    secrets = made(**KEYS, sqn="ff", amf="8001").secrets
    assert secrets is not None
    assert (secrets.k.hex(), secrets.op.hex()) == (K, OPC)
    assert (secrets.algorithm, secrets.sqn, secrets.amf) == ("milenage", 255, b"\x80\x01")


def test_ki_is_another_name_of_k() -> None:
    assert made(ki=K, opc=OPC).secrets == made(k=K, opc=OPC).secrets


def test_op_becomes_opc_before_it_is_stored() -> None:
    secrets = made(k=K, op=OPC).secrets
    assert secrets is not None
    assert secrets.op == opc_from_op(bytes.fromhex(K), bytes.fromhex(OPC))


def test_tuak_keys() -> None:
    top = OPC * 2
    secrets = made(k=K * 2, op=top, algorithm="TUAK", res_length="16").secrets
    assert secrets is not None
    assert secrets.op == topc_from_top(bytes.fromhex(K * 2), bytes.fromhex(top))
    assert secrets.res_length == 16


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"plan": "standard"}, "imsi is missing"),
        ({"imsi": "001010000000001"}, "plan is missing"),
        ({**ROW, "imsi": "12a456"}, "imsi: Imsi must have"),
        ({**ROW, "imsi": "310410000000001"}, "serves 001-01"),
        ({**ROW, "plan": "gold"}, "plan 'gold' is not in the policy, which has basic, standard"),
        ({**ROW, "msisdn": "+44x"}, "msisdn: Msisdn must have"),
        ({**ROW, "status": "removed"}, "status must be one of active, suspended, barred"),
        ({**ROW, "provisioning": "2"}, "provisioning must be one of"),
        ({**ROW, "gid1": "xy"}, "gid1 must be hexadecimal"),
        ({**ROW, "visited_plmn": "de"}, "visited_plmn must be"),
        ({**ROW, "terms": "yes"}, "terms must be one of"),
        ({**ROW, "terms_version": "1"}, "terms_version needs terms"),
        ({**ROW, "opc": OPC}, "opc needs k"),
        ({**ROW, "k": K}, "k needs opc or op"),
        ({**ROW, "k": K, "opc": OPC, "op": OPC}, "k needs opc or op, and not both"),
        ({**ROW, "k": K[:-1], "opc": OPC}, "k must have 32 hexadecimal digits"),
        ({**ROW, "k": K, "opc": "z" * 32}, "opc must have 32 hexadecimal digits"),
        ({**ROW, **KEYS, "algorithm": "comp128"}, "algorithm must be one of"),
        ({**ROW, **KEYS, "algorithm": "tuak"}, "opc must have 64 hexadecimal digits"),
        ({**ROW, **KEYS, "amf": "80"}, "amf must have 4 hexadecimal digits"),
        ({**ROW, **KEYS, "sqn": "1" * 13}, "sqn must have at most 12"),
        ({**ROW, **KEYS, "res_length": "4"}, "res_length must be 8 for milenage"),
        ({**ROW, "imzi": "1"}, "unknown column 'imzi'; did you mean \"imsi\"?"),
    ],
)
def test_mistakes_are_named_and_keys_never_repeated(row: dict[str, str], said: str) -> None:
    with pytest.raises(BadRow) as found:
        draft(row, CONTEXT)
    assert said in str(found.value)
    assert K[:8] not in str(found.value)
    assert OPC[:8] not in str(found.value)


def test_a_draft_shows_no_keys() -> None:
    shown = repr(made(**KEYS)) + repr(made(**KEYS).secrets)
    for key in (K, OPC):
        assert key not in shown
        assert repr(bytes.fromhex(key)) not in shown


def test_every_row_is_checked_whatever_is_wrong_with_the_first() -> None:
    other = {"imsi": "001010000000002", "plan": "basic", "msisdn": "+447700900002"}
    checked = check(
        [
            (2, {"plan": "basic"}),
            (3, ROW),
            (4, BadRow("2 values for 3 columns")),
            (5, ROW),
            (6, other),
            (7, {**other, "imsi": "001010000000003"}),
        ],
        CONTEXT,
    )
    assert checked.problems == [
        (2, "imsi is missing"),
        (4, "2 values for 3 columns"),
        (5, "imsi is that of line 3"),
        (7, "msisdn is that of line 6"),
    ]
    assert checked.lines == [3, 6]
    assert [made.subscription.plan for made in checked.drafts] == ["standard", "basic"]


def test_an_edit_changes_only_what_is_given() -> None:
    change = edit({"plan": "basic"}, CONTEXT).change
    assert (change.plan, change.status, change.msisdn, change.visited_plmn) == (
        "basic",
        None,
        None,
        None,
    )
    assert edit({"visited_plmn": ""}, CONTEXT).change.visited_plmn == ""
    assert edit({"gid1": ""}, CONTEXT).change.gid1 == ""


def test_an_edit_is_checked_too() -> None:
    with pytest.raises(BadRow, match="gold"):
        edit({"plan": "gold"}, CONTEXT)


@pytest.mark.parametrize(("text", "digits"), [("26201", "26201"), ("310-410", "310410"), ("", "")])
def test_visited_plmn(text: str, digits: str) -> None:
    assert visited_plmn(text) == digits


def test_every_column_is_understood() -> None:
    values = dict.fromkeys(COLUMNS, "") | ROW
    assert draft(values, CONTEXT).subscription.plan == "standard"


def test_demonstration_subscriptions_tell_five_stories() -> None:
    drafts = demo_data.drafts(TENANT, now=NOW)
    plans = [made.subscription.plan for made in drafts]
    assert plans == ["standard", "basic", "standard", "standard", "home"]
    assert [made.subscription.imsi.digits[-1] for made in drafts] == list("12345")
    assert drafts[3].subscription.status is SubscriptionStatus.SUSPENDED
    assert drafts[2].consents == ()
    assert all(made.secrets is not None for made in drafts)


def test_demonstration_subscriptions_stay_in_the_test_network() -> None:
    assert demo_data.drafts(Tenant("real", plmns=(Plmn("262", "01"),)), now=NOW) == []


def test_what_a_row_notes_about_the_line() -> None:
    row = {
        "iccid": "8944110000000000013F",
        "sim_since": "2026-11-01T10:00+02:00",
        "port_freeze": "yes",
        "prepaid": "no",
        "number_type": "data_only",
    }
    marks = {mark.name.value: mark.value for mark in made(**row).marks}
    assert marks == row | {"iccid": "8944110000000000013", "sim_since": "1793520000"}
    assert edit(row, CONTEXT).marks == made(**row).marks
    assert edit({"plan": "basic"}, CONTEXT).marks == ()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"iccid": "89441100000000000"}, "iccid: Iccid must have 18 to 20 digits"),
        ({"sim_since": "yesterday"}, "sim_since must be a time such as"),
        ({"sim_since": "2999-01-01"}, "sim_since must be in the past"),
        ({"port_freeze": "true"}, "port_freeze must be yes or no"),
        ({"prepaid": "1"}, "prepaid must be yes or no"),
        ({"number_type": "pager"}, "number_type must be one of unknown, mobile"),
    ],
)
def test_mistakes_about_the_line_are_named(row: dict[str, str], said: str) -> None:
    with pytest.raises(BadRow) as refused:
        made(**row)
    assert said in str(refused.value)
