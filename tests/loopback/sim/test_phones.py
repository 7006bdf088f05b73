"""`simgrant sim phone`, as far as it goes without a server (TS.43 §8)."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from simgrant.sim.cli import app
from simgrant.sim.phones import Target

IMEI, EID = "350000000000033", "89049032123451234512345678901235"
NOBODY = "http://127.0.0.1:9/"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("otp",), "otp needs an --msisdn"),
        (("scan", "--delete-old"), "--delete-old needs --old-iccid and --smdp-books"),
        (("scan", "--eid", EID[:-1]), "Eid must have 32"),
        (("scan", "--imei", IMEI[:-1]), "the IMEI has not 15 digits"),
        (("scan", "--imsi", "262010000000001"), "names no demonstration SIM"),
        (("by-post",), "by-post"),
    ],
)
def test_what_no_phone_could_do_is_refused(arguments: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(app, ["phone", NOBODY, *arguments])
    assert done.exit_code == 2
    assert says in done.output


def test_a_server_that_is_not_there_is_said_so() -> None:
    done = CliRunner().invoke(app, ["phone", NOBODY, "temporary-token", "--timeout", "5"])
    assert done.exit_code == 3


@pytest.mark.spec("TS.43 §6.8")
def test_a_phone_shows_what_another_reads() -> None:
    target = Target(imei=IMEI, eid=EID)
    assert target.code == f"esim:transfer?eid={EID}&imei={IMEI}"
    assert Target.scanned(target.code) == target
    for part in (f"esim:transfer?eid={EID}", f"esim:transfer?imei={IMEI}", "esim:transfer?"):
        with pytest.raises(ValueError, match=r"names?|neither|not"):
            Target.scanned(part)
