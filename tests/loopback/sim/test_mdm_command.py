"""`simgrant sim mdm` from the command line: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from simgrant.sim.cli import app
from simgrant.sim.mdm import fleet
from tests.loopback.sim.scripted import Seen, answer, serving
from tests.loopback.sim.test_mdm import CODE, DONE, ELIGIBLE, INFO, READY, told

NOT_ELIGIBLE = told(EnterpriseAppEligibility="0")


def _mdm(*arguments: str) -> Result:
    proof = ("--access-token", "secret-access")
    return CliRunner().invoke(app, ["mdm", *arguments, *proof], env={"NO_COLOR": "1"})


def _answers(seen: Seen) -> bytes:
    """Answer as a server does that has profiles for all but the second device."""
    asked = json.loads(seen.body)
    if asked["operation"] == "CheckEligibility":
        return ELIGIBLE
    if asked["enterprise_terminal_id"] == fleet(2)[1].terminal_id:
        return told(SubscriptionResult="5")
    return READY if asked["operation_type"] == "0" else DONE


def test_each_device_is_a_line_and_the_worst_decides() -> None:
    with serving(always=_answers) as server:
        found = _mdm(str(server.url()), "--count", "3", "--parallel", "1", "--json")
    assert found.exit_code == 1, found.output
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [each["end"] for each in lines] == ["done", "dismissed", "done"]
    for secret in (CODE, INFO["ProfileIccid"], fleet(1)[0].eid, "secret-access", "secret-token"):
        assert secret not in found.output


def test_people_are_told_of_what_went_wrong_and_of_the_total() -> None:
    with serving(always=_answers) as server:
        found = _mdm(str(server.url()), "--count", "3")
        assert "3 of 3 devices: 2 done, 1 dismissed" in found.output
        found = _mdm(str(server.url()), "--count", "1", "--reveal", "--json")
    assert found.exit_code == 0
    (line,) = [json.loads(each) for each in found.stdout.splitlines()]
    assert (line["iccid"], line["activation_code"]) == (INFO["ProfileIccid"], CODE)


def test_a_company_that_may_not_is_1_unless_it_gives_devices_up() -> None:
    with serving(always=NOT_ELIGIBLE) as server:
        assert _mdm(str(server.url())).exit_code == 1
    with serving(NOT_ELIGIBLE, DONE) as server:
        assert _mdm(str(server.url()), "unsubscribe").exit_code == 0
    with serving(always=answer("403 Forbidden")) as server:
        assert _mdm(str(server.url()), "unsubscribe").exit_code == 1


def test_nobody_there_is_3() -> None:
    assert _mdm("http://127.0.0.1:1/").exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense", "--access-token", "x"),
        ("http://127.0.0.1:1/",),
        ("http://127.0.0.1:1/", "--client-id", "x"),
        ("http://127.0.0.1:1/", "--access-token", "x", "--token-url", "http://127.0.0.1:1/token"),
        ("http://127.0.0.1:1/", "--access-token", "x", "sing"),
        ("http://127.0.0.1:1/", "--access-token", "x", "--count", "0"),
    ],
)
def test_what_makes_no_sense_is_2(arguments: tuple[str, ...]) -> None:
    found = CliRunner().invoke(app, ["mdm", *arguments])
    assert found.exit_code == 2, found.output
