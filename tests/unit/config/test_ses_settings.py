"""Settings of a BSS that is used to Ericsson's SES, and what check-config says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from simgrant.config.load import load
from simgrant.config.ses import check_request, entitlements_request
from simgrant.domain.order import Kind
from simgrant.errors import StartRefused

HEAD = '[bss.esb]\ntype = "ses"\nurl = "https://esb.example.com"\n[bss.esb.ses]\ncontext = "CR"\n'
ASKED = '[bss.esb.ses.entitlements]\necho = ["$.imsi"]\n'
READ = '[bss.esb.ses.entitlements.aspects]\nstatus = { path = "$.s" }\n'
GOOD = HEAD + ASKED + READ
CHECK = '[bss.esb.ses.check]\non = true\necho = ["$.imsi"]\nqualified = { path = "$.q" }\n'


def problems(folder: Path, text: str) -> str:
    file = folder / "simgrant.toml"
    file.write_text(text)
    with pytest.raises(StartRefused) as refused:
        load(file, {})
    return str(refused.value)


def test_what_is_empty_is_not_sent(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(
        HEAD.replace('"CR"', '"/{tenant}/"\nauth_mode = "OTHER"\ndevice_type = ""')
        + ASKED
        + 'user_id = ""\n'
        + READ
        + CHECK
    )
    ses = load(file, {}).settings.bss["esb"].ses
    request = entitlements_request(ses)
    assert request.path == "/{tenant}/esintegration/v1.0/esim/entitlements"
    assert not {"user-id", "operator-id"} & set(request.body)
    assert "x-device-type" not in request.headers
    assert request.headers["x-deviceauth-mode"] == "OTHER"
    assert "operatorId" not in check_request(ses, Kind.TRANSFER).body


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('context = "CR"', ""), "bss.esb.ses.context: must be set"),
        (GOOD.replace('"CR"', '"C R/{imei}"'), "bss.esb.ses.context: {imei} is none of"),
        (GOOD.replace('"ses"', '"rest"'), 'bss.esb.ses: it is for type = "ses"'),
        (HEAD + ASKED, "ses.entitlements.aspects: nothing is read"),
        (GOOD.replace(ASKED, ""), "ses.entitlements.echo: must be set"),
        (HEAD + ASKED + "names = []\n" + READ, "ses.entitlements.names: must be set"),
        (HEAD + ASKED + 'user_id = "{x}"\n' + READ, "bss.esb.ses.body: {x} is none of"),
        (GOOD.replace("status =", "stats ="), "aspects: there is no aspect 'stats'; did you mean"),
        (
            GOOD.replace('context = "CR"', 'context = "CR"\nauth_mode = "SIM"'),
            "SIM",
        ),
        (GOOD + CHECK.replace('echo = ["$.imsi"]', ""), "ses.check.echo: must be set"),
        (GOOD + CHECK.replace('"$.q"', '"q"'), "check.qualified.path: 'q': a path begins"),
        (GOOD + CHECK.replace('path = "$.q"', ""), "check.qualified.path: must be set"),
        (GOOD + CHECK + 'reason = "$..r"', "check.reason: '$..r': descendants"),
        (
            GOOD + CHECK.replace(" }", ', meanings = { Y = "yes" } }'),
            "qualified.meanings.Y: 'yes' is no word of ours; known: false, true",
        ),
        (GOOD + CHECK.replace(" }", ', default = "true" }'), "qualified: what is not understood"),
        (GOOD + CHECK.replace(" }", ', missing = "unknown" }'), "qualified: what is not"),
        (GOOD + CHECK.replace(" }", ', missing = "default" }'), "qualified: there is no default"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)
