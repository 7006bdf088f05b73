"""The script that tells a device what became of a page (TS.43 §3.4, §9.6, §11.6, §15.4)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import simgrant.fronts.portal

SCRIPT = Path(simgrant.fronts.portal.__file__).with_name("static") / "bridge.js"
FLOWS = {
    "vowifi": "VoWiFiWebServiceFlow",
    "boost": "DataBoostWebServiceFlow",
    "billing": "DCBWebServiceFlow",
    "satellite": "SatModeWebServiceFlow",
    "esim": "ODSAServiceFlow",
}
BOOST = ["notifyPurchaseSuccessful", "notifyPurchaseFailed", "dismissFlow"]
OTHER = ["entitlementChanged", "dismissFlow"]
ESIM = [
    "profileReadyWithActivationCode",
    "profileReadyWithDefaultSmdp",
    "SelectionCompleted",
    "deleteProfileInUse",
    "finishFlow",
    "dismissFlow",
    "deleteToken",
    "checkProfileServiceStatus",
]
OFFERED = dict.fromkeys(FLOWS.values(), OTHER) | {
    "DataBoostWebServiceFlow": BOOST,
    "ODSAServiceFlow": ESIM,
}
"""What a phone offers that has everything."""


def run(
    objects: dict[str, list[str]],
    *,
    button: str = "",
    throws: str = "",
    takes: int | str = "any",
    **data: str,
) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    given = {
        "data": data,
        "objects": objects,
        "button": button,
        "throws": throws,
        "takes": None if takes == "any" else takes,
    }
    runner = Path(__file__).with_name("bridge.mjs")
    done = subprocess.run(
        [node, str(runner), str(SCRIPT), json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.spec("TS.43 §3.4.1")
@pytest.mark.conforms(
    "vowifi.page-calls-back-changed",
    "billing.page-calls-back-changed",
    "satmode.page-calls-back-changed",
)
@pytest.mark.parametrize("subject", ["vowifi", "billing", "satellite"])
def test_a_change_is_told_to_the_subject_s_own_object(subject: str) -> None:
    objects = dict.fromkeys(FLOWS.values(), OTHER)
    found = run(objects, subject=subject, call="changed")
    assert found["calls"] == [[FLOWS[subject], "entitlementChanged", [], True]]


@pytest.mark.spec("TS.43 §9.6.1")
@pytest.mark.conforms("data-plan.page-calls-back-bought")
def test_a_purchase_is_told_with_its_duration_in_milliseconds() -> None:
    objects = {FLOWS["boost"]: BOOST}
    found = run(objects, subject="boost", call="bought", duration="3600000")
    assert found["calls"] == [[FLOWS["boost"], "notifyPurchaseSuccessful", [3_600_000], True]]
    found = run(objects, subject="boost", call="bought")
    assert found["calls"] == [[FLOWS["boost"], "notifyPurchaseSuccessful", [], True]]


@pytest.mark.spec("TS.43 §9.6.2")
@pytest.mark.conforms("data-plan.page-calls-back-failed")
def test_what_cannot_be_bought_is_told_when_the_page_is_closed() -> None:
    found = run({FLOWS["boost"]: BOOST}, subject="boost", button="failed")
    assert found["calls"] == [[FLOWS["boost"], "notifyPurchaseFailed", [0, "not available"], True]]


@pytest.mark.spec("TS.43 §3.4.2")
@pytest.mark.conforms(
    "vowifi.page-calls-back-dismiss",
    "data-plan.page-calls-back-dismiss",
    "billing.page-calls-back-dismiss",
    "satmode.page-calls-back-dismiss",
    "portal.dismiss",
)
@pytest.mark.parametrize("subject", FLOWS)
def test_a_dismissal_is_told_and_nothing_else(subject: str) -> None:
    found = run(OFFERED, subject=subject, call="dismiss")
    assert found["calls"] == [[FLOWS[subject], "dismissFlow", [], True]]


def test_older_objects_are_told_too() -> None:
    objects = {
        "NsdsWebSheetController": ["entitlementChanged", "dismissFlow"],
        "WiFiCallingWebViewController": [
            "phoneServicesAccountStatusChanged",
            "CloseWebView",
            "cancelButtonClicked",
        ],
        "SlicePurchaseWebInterface": ["notifyPurchaseSuccessful"],
        "SliceStoreWebInterface": ["notifyPurchaseSuccessful"],
    }
    changed = run(objects, subject="vowifi", call="changed")
    assert [call[:3] for call in changed["calls"]] == [
        ["NsdsWebSheetController", "entitlementChanged", []],
        ["WiFiCallingWebViewController", "phoneServicesAccountStatusChanged", [True]],
        ["WiFiCallingWebViewController", "CloseWebView", []],
    ]
    bought = run(objects, subject="boost", call="bought", duration="1000")
    assert [call[:3] for call in bought["calls"]] == [
        ["SlicePurchaseWebInterface", "notifyPurchaseSuccessful", [1000]],
        ["SliceStoreWebInterface", "notifyPurchaseSuccessful", [1000]],
    ]
    left = run(objects, subject="vowifi", call="dismiss")
    assert [call[1] for call in left["calls"]] == ["dismissFlow", "cancelButtonClicked"]


def test_a_method_is_found_in_either_case_of_its_first_letter() -> None:
    found = run({FLOWS["vowifi"]: ["EntitlementChanged"]}, subject="vowifi", call="changed")
    assert found["calls"] == [[FLOWS["vowifi"], "EntitlementChanged", [], True]]


def test_one_that_throws_keeps_nobody_from_the_others() -> None:
    objects = {FLOWS["boost"]: BOOST, "SliceStoreWebInterface": ["notifyPurchaseSuccessful"]}
    found = run(objects, subject="boost", call="bought", throws=FLOWS["boost"])
    assert len(found["calls"]) == 2


def test_without_an_object_nothing_happens_and_no_button_is_shown() -> None:
    assert run({}, subject="vowifi", call="changed") == {"calls": [], "hidden": None}
    assert run({}, subject="vowifi", button="dismiss") == {"calls": [], "hidden": True}
    objects = {FLOWS["boost"]: ["notifyPurchaseSuccessful"]}
    assert run(objects, subject="boost", button="dismiss")["hidden"] is True


def test_a_page_about_nothing_can_be_closed_whoever_opened_it() -> None:
    for name in FLOWS.values():
        found = run({name: ["dismissFlow"]}, button="dismiss")
        assert found["hidden"] is False
        assert found["calls"] == [[name, "dismissFlow", [], True]]
    assert run({FLOWS["vowifi"]: OTHER})["calls"] == [], "and calls nobody by itself"


# --- eSIMs --------------------------------------------------------------------------------

READY = {"subject": "esim", "call": "ready", "code": "LPA:1$smdp.example.net$AB-12"}
READY_AT = {
    "subject": "esim",
    "call": "ready-at",
    "address": "smdp.example.net",
    "iccid": "8944500000000000017",
}
SELECTED = {
    "subject": "esim",
    "call": "selected",
    "iccid": "8944500000000000017",
    "imei": "350000000000033",
}
DELETE = {
    "subject": "esim",
    "call": "delete",
    "iccid": "8944500000000000017",
    "msisdn": "447700900001",
}
FINISH = {"subject": "esim", "call": "finish"}


@pytest.mark.spec("TS.43 §6.7.1", "TS.43 §6.7.2", "TS.43 §6.7.3", "TS.43 §6.7.5", "TS.43 §6.7.8")
@pytest.mark.parametrize(
    ("data", "method", "values"),
    [
        pytest.param(
            READY,
            "profileReadyWithActivationCode",
            [READY["code"]],
            marks=pytest.mark.conforms("portal.activation-code"),
        ),
        pytest.param(
            READY_AT,
            "profileReadyWithDefaultSmdp",
            [READY_AT["address"], READY_AT["iccid"]],
            marks=pytest.mark.conforms("portal.default-smdp"),
        ),
        pytest.param(
            SELECTED,
            "SelectionCompleted",
            [SELECTED["iccid"], SELECTED["imei"]],
            marks=pytest.mark.conforms("portal.selection"),
        ),
        pytest.param(
            DELETE,
            "deleteProfileInUse",
            [DELETE["iccid"], DELETE["msisdn"]],
            marks=pytest.mark.conforms("portal.delete-profile"),
        ),
        pytest.param(FINISH, "finishFlow", [], marks=pytest.mark.conforms("portal.finish")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_became_of_an_esim_is_told_once(
    data: dict[str, str], method: str, values: list[str]
) -> None:
    assert run(OFFERED, **data)["calls"] == [["ODSAServiceFlow", method, values, True]]


@pytest.mark.parametrize(
    "name", ["ODSAServiceFlow", "OdsaServiceFlow", "ODSAWebServiceFlow", "OdsaWebServiceFlow"]
)
@pytest.mark.parametrize(
    ("data", "method"),
    [
        (SELECTED, "selectionCompleted"),
        (READY_AT, "profileReadyWithDefaultSMDP"),
        (READY_AT, "ProfileReadyWithDefaultSmDp"),
        (FINISH, "FinishFlow"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_spelling_of_object_and_method_is_found(
    name: str, data: dict[str, str], method: str
) -> None:
    (call,) = run({name: [method]}, **data)["calls"]
    assert call[:2] == [name, method]


def test_of_two_spellings_one_is_called() -> None:
    objects = {"ODSAServiceFlow": ESIM, "OdsaWebServiceFlow": ESIM}
    assert len(run(objects, **READY)["calls"]) == 1
    both = {"ODSAServiceFlow": ["SelectionCompleted", "selectionCompleted"]}
    assert len(run(both, **SELECTED)["calls"]) == 1


@pytest.mark.parametrize(
    ("data", "takes", "values"),
    [(FINISH, 0, []), (FINISH, 1, ["AcquireConfiguration"]), (DELETE, 1, [DELETE["iccid"]])],
)
def test_an_object_that_counts_its_values_gets_as_many_as_it_takes(
    data: dict[str, str], takes: int, values: list[str]
) -> None:
    assert [call[2] for call in run(OFFERED, takes=takes, **data)["calls"]] == [values]


def test_a_page_that_says_why_not_can_be_closed_and_nothing_else() -> None:
    found = run(OFFERED, subject="esim", button="dismiss")
    assert found["calls"] == [["ODSAServiceFlow", "dismissFlow", [], True]]
    assert run(OFFERED, subject="esim")["calls"] == []


def test_a_ready_page_is_closed_by_finishing() -> None:
    found = run(OFFERED, button="finish", **READY)
    assert [call[1] for call in found["calls"]] == ["profileReadyWithActivationCode", "finishFlow"]
    assert run({"ODSAServiceFlow": ["dismissFlow"]}, button="finish", **READY)["hidden"] is True
