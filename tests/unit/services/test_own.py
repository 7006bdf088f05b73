"""An operator's own parameters: beside TS.43's and never in their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simgrant.compose.policies import policy_of
from simgrant.config.load import load
from simgrant.domain.policy import Policy, PolicyError, default_policy_text, parse_policy
from simgrant.errors import StartRefused
from simgrant.flows.answer import answer
from simgrant.services import SERVICES
from simgrant.services.own import refuse_taken
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application
from tests.android_reader import XmlDoc
from tests.unit.domain.samples import ALL_VOICE, facts
from tests.unit.services.samples import V2, V12, as_json, as_xml


def policy(own: str) -> Policy:
    return parse_policy(default_policy_text() + own)


OWN = """
[own.ap2003]
IMS_Domain = "ims.example.net & co"
[own.ap2003.Apn]
Name = "ims"
[[own.ap2003.Servers.Server]]
Host = "a"
[[own.ap2003.Servers.Server]]
Host = "b"
[own.ap2004]
Sms_over_IP = 1
"""


def answered(app_id: str, version: SpecVersion = V12, own: str = OWN) -> Application:
    found = answer(
        [app_id],
        facts(features=ALL_VOICE),
        policy=policy(own),
        version=version,
        languages=(),
        flow=lambda _: None,
    )
    return found.applications[0]


@pytest.mark.conforms("divergence.own-parameters")
def test_own_parameters_stand_behind_those_of_ts43() -> None:
    found = json.loads(as_json(answered("ap2003")))["ap2003"]
    assert list(found) == ["VoiceOverCellularEntitleInfo", "IMS_Domain", "Apn", "Servers"]
    assert found["IMS_Domain"] == "ims.example.net & co"
    assert found["Apn"] == {"Name": "ims"}
    assert found["Servers"] == [{"Server": {"Host": "a"}}, {"Server": {"Host": "b"}}]


@pytest.mark.conforms("divergence.own-parameters")
def test_phones_read_what_they_read_before() -> None:
    document = as_xml(answered("ap2004"))
    phone = XmlDoc(document)
    assert phone.get("ap2004", "EntitlementStatus") == "1"
    assert phone.get("ap2004", "Sms_over_IP") == "1"
    voice = XmlDoc(as_xml(answered("ap2003")))
    assert voice.get("1/1", "EntitlementStatus") == "1"


@pytest.mark.spec("AOSP ImsServiceEntitlement")
def test_the_flat_form_of_ap2003_gets_no_characteristics() -> None:
    document = as_xml(answered("ap2003", V2))
    assert XmlDoc(document).get("ap2003", "EntitlementStatus") == "1"
    assert XmlDoc(document).get("ap2003", "IMS_Domain") == "ims.example.net & co"
    assert b"Apn" not in document


def test_there_are_none_where_the_policy_has_none() -> None:
    assert answered("ap2004", own="") == answered("ap2004", own="[own.ap2003]\na = 1")


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ("[own.ap2004]\nTC_Status = 1", "own.ap2004, TC_Status: is a name of TS.43's own"),
        ("[own.ap2004]\ntc_status = 1", "own.ap2004, tc_status: is a name of TS.43's own"),
        ("[own.ap2004]\nAppID = 1", "own.ap2004, AppID: is a name of TS.43's own"),
        ("[own.ap2004]\nRegisterNotifStatus = 1", "RegisterNotifStatus: is a name of TS.43's own"),
        ('[own.ap2004]\neap-relay-packet = "x"', "is a name of TS.43's own"),
        (
            '[own.ap2003.a]\neap-relay-packet = "x"',
            "own.ap2003, a: must not hold eap-relay-packet",
        ),
        (
            "[own.ap2003.VoiceOverCellularEntitleInfo]\na = 1",
            "VoiceOverCellularEntitleInfo: is a name of TS.43's own",
        ),
        ("[own.ap2016.PLMNBarred]\na = 1", "PLMNBarred: is a name of TS.43's own"),
        (
            "[own.ap2005.a]\nb = 1",
            "own.ap2005, a: phones read no characteristics in ap2005: write parameters",
        ),
        ("[own.ap2001]\na = 1", 'own, ap2001: unknown name "ap2001"'),
    ],
)
def test_names_that_are_taken(own: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        refuse_taken(policy(own), SERVICES)
    (found,) = caught.value.problems
    assert problem in str(found)


def test_such_a_policy_is_refused_at_start(tmp_path: Path) -> None:
    settings, file = tmp_path / "simgrant.toml", tmp_path / "policy.toml"
    settings.write_text('[tenants.default]\npolicy = "policy.toml"\n')
    file.write_text(default_policy_text() + "[own.ap2004]\nTC_Status = 1")
    with pytest.raises(StartRefused, match=r"policy .*own\.ap2004, TC_Status: is a name of TS\.43"):
        policy_of(load(settings, {}), "default")
    file.write_text(default_policy_text() + OWN)
    assert policy_of(load(settings, {}), "default").own


def test_the_same_name_in_another_service_is_free() -> None:
    refuse_taken(policy("[own.ap2005]\nTC_Status = 1"), SERVICES)
