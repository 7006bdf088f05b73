"""The dictionary of Diameter and the enums that code uses say the same."""

from __future__ import annotations

from simgrant.spec.diameter import IETF, TGPP, dictionary, result_name
from simgrant.wire.diameter import base, cx, message, s6a, swx

ROWS = dictionary()


def test_commands_are_those_of_the_table() -> None:
    codes = {row.code for row in ROWS.commands.values()}
    assert {*base.Command, *swx.Command, *cx.Command, *s6a.Command} <= codes
    for row in ROWS.commands.values():
        if row.application == "3GPP S6a":
            assert s6a.Command(row.code).name == row.name.upper().replace("-", "_")
    assert ROWS.commands["Multimedia-Auth"].code == swx.Command.MULTIMEDIA_AUTH


def test_results_are_those_of_the_table() -> None:
    for each in (*base.Result, *message.Fault):
        assert ROWS.results[IETF, each].name == each.name


def test_applications_are_those_of_3gpp() -> None:
    assert swx.APPLICATION == 16777265
    assert cx.APPLICATION == 16777216
    assert s6a.APPLICATION == 16777251
    assert base.RELAY == 0xFFFFFFFF


def test_a_result_is_told_by_vendor_and_code() -> None:
    assert result_name(IETF, 3004) == "3004 TOO_BUSY"
    assert result_name(TGPP, 5450).startswith("3GPP 5450 ERROR_USER_NO_NON_3GPP")
    assert result_name(TGPP, 9999) == "3GPP 9999"
    assert result_name(42, 1) == "vendor 42 1"
