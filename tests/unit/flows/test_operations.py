"""How operations are found, and what a table may say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.flows.operations import OPERATED, OPERATIONS, NotAnOperation, collect
from simgrant.flows.operations.operation import (
    Done,
    Means,
    Proof,
    Refused,
    RequestorTask,
    Task,
    read_table,
)
from simgrant.services import BadTable

TABLE = """
name = "DoIt"
section = "6.1"
since = "9.0"
required = []
[proofs]
ap2009 = ["sim"]
"""


async def run(_task: Task, _means: Means) -> Done | Refused:
    return Done()


async def alone(_task: RequestorTask, _means: Means) -> Done | Refused:
    return Done()


def test_all_of_this_folder_are_found() -> None:
    assert {operation.name for operation in OPERATIONS.values()} == {
        "AcquireConfiguration",
        "AcquireOperatorToken",
        "AcquirePlan",
        "AcquireTemporaryToken",
        "CheckEligibility",
        "Get3PAppInfo",
        "GetPhoneNumber",
        "GetSubscriberDeviceInfo",
        "GetSubscriberInfo",
        "ManageService",
        "ManageSubscription",
        "ValidateOperatorToken",
        "VerifyPhoneNumber",
    }
    assert OPERATIONS["validateoperationtoken"] is OPERATIONS["validateoperatortoken"]
    assert {"ap2006", "ap2009", "ap2011", "ap2014", "ap2015"} == OPERATED


def test_a_name_is_taken_once() -> None:
    one = read_table(TABLE, run, name="one")
    with pytest.raises(NotAnOperation, match="two claims doit"):
        collect([("one", one), ("two", replace(one, section="6.2"))])
    with pytest.raises(NotAnOperation, match="three has no OPERATION"):
        collect([("three", None)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "DoIt"', ""),
        ('since = "9.0"', 'since = "nine"'),
        ('"sim"', '"smile"'),
        ("required = []", "required = 7"),
        ("required = []", "required = []\nrequierd = []"),
        ("[proofs]", '[parm.X]\nsection = "6.1"\n[proofs]'),
        ('["sim"]', '["sim", "requestor"]'),
        ('["sim"]', '["requestor"]'),
        ('ap2009 = ["sim"]', 'ap2011 = ["sim"]'),
        ('ap2009 = ["sim"]', 'ap2011 = ["requestor"]'),
        ('ap2009 = ["sim"]', 'ap2009 = ["sim"]\nap2011 = ["requestor"]'),
    ],
)
def test_a_bad_table_is_found_at_import(old: str, new: str) -> None:
    with pytest.raises(BadTable, match=r"one\.toml"):
        read_table(TABLE.replace(old, new), run, name="one.toml")


def test_an_operation_may_be_for_systems_by_themselves() -> None:
    table = TABLE.replace('["sim"]', '["sim"]\nap2011 = ["requestor"]')
    both = read_table(table, run, name="one", for_requestor=alone)
    assert both.proofs == {"ap2009": {Proof.SIM}, "ap2011": {Proof.REQUESTOR}}
    assert (both.run, both.run_for_requestor) == (run, alone)
    table = TABLE.replace('ap2009 = ["sim"]', 'ap2011 = ["requestor"]')
    assert read_table(table, None, name="one", for_requestor=alone).run_for_requestor is alone
    with pytest.raises(BadTable, match="go together"):
        read_table(TABLE, None, name="one")
    with pytest.raises(BadTable, match="go together"):
        read_table(TABLE, run, name="one", for_requestor=alone)
    with pytest.raises(BadTable, match="go together"):
        read_table(table, run, name="one", for_requestor=alone)
