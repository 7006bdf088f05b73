"""`simgrant sim handset` from the command line: what it asks, what it prints, how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from simgrant.sim.cli import app
from simgrant.sim.sims import DEMO_K, DEMO_OPC, demo_sims, following
from tests.loopback.sim.scripted import Says, Seen, answer, serving
from tests.loopback.sim.small_ecs import SmallEcs

SIM = demo_sims()[0]
REFUSES = answer("403 Forbidden")


def _handset(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["handset", *arguments], env={"NO_COLOR": "1"})


def _against(*arguments: str, always: Says | None = None) -> tuple[Result, list[Seen]]:
    with serving(always=always or SmallEcs(SIM)) as server:
        found = _handset(str(server.url()), *arguments)
        return found, server.seen


def test_a_document_is_shown_and_the_exit_code_is_0() -> None:
    found, seen = _against()
    assert found.exit_code == 0, found.output
    assert "EntitlementStatus 1 ENABLED" in found.output
    assert "✓ the handset has its document after 2 requests" in found.output
    assert len(seen) == 2


def test_repeat_token_asks_again_with_the_token() -> None:
    found, _ = _against("--repeat", "token")
    assert found.output.count("✓") == 2
    found, seen = _against("--repeat", "full")
    assert found.exit_code == 0
    assert len(seen) == 4


def test_a_family_is_named_by_like() -> None:
    found, seen = _against("--like", "samsung", always=REFUSES)
    assert found.exit_code == 1, found.output
    assert "app=ap2003%2Cap2004%2Cap2005" in seen[0].target


def test_a_refusal_is_1() -> None:
    found, _ = _against(always=REFUSES)
    assert found.exit_code == 1
    assert "✗ the server refused: 403 Forbidden" in found.output


def test_a_fault_is_carried_out() -> None:
    ecs = SmallEcs(SIM)
    found, _ = _against("--fault", "wrong-res", always=ecs)
    assert found.exit_code == 1
    assert ecs.rejected == ["bad_res"]


def test_nobody_there_is_3() -> None:
    with serving() as server:
        url = str(server.url())
    found = _handset(url)
    assert found.exit_code == 3
    assert "no connection to" in found.output


def test_json_lines() -> None:
    found, _ = _against("--json", "--repeat", "token")
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [line["leg"] for line in lines] == ["start", "answer", "token"]
    assert lines[1]["result"] == "document"
    assert SIM.imsi.digits not in found.stdout


def test_reveal_shows_the_imsi() -> None:
    found, _ = _against("--json", "--reveal")
    assert SIM.imsi.digits in found.stdout


def test_options_reach_the_wire() -> None:
    _, (seen,) = _against(
        *("--app", "ap2003", "--app", "ap2005", "--entitlement-version", "12.0"),
        *("--terminal-id", "350000000000017", "--vendor", "ACME", "--model", "P1"),
        *("--sw-version", "14", "--app-name", "org.example", "--gid1", "0A"),
        *("--notif-token", "FCM", "--param", "operation=CheckEligibility"),
        *("--header", "X-Lab: 7", "--method", "post", "--profile", "android-odsa"),
        always=REFUSES,
    )
    assert json.loads(seen.body) == {
        "EAP_ID": SIM.nai(),
        "notif_action": "2",
        "notif_token": "FCM",
        "terminal_id": "350000000000017",
        "gid1": "0A",
        "app_name": "org.example",
        "app": "[ap2003,ap2005]",
        "terminal_vendor": "ACME",
        "terminal_model": "P1",
        "terminal_sw_version": "14",
        "vers": "0",
        "entitlement_version": "12.0",
        "operation": "CheckEligibility",
    }
    assert seen.first("X-Lab") == "7"


def test_a_sim_of_ones_own() -> None:
    imsi = ("--imsi", "999990000000007")
    keys = ("--k", DEMO_K.hex(), "--opc", DEMO_OPC.hex())
    _, (seen,) = _against(*imsi, *keys, always=REFUSES)
    assert "EAP_ID=0999990000000007%40nai.epc.mnc099.mcc999.3gppnetwork.org" in seen.target


def test_several_sims_take_a_line_each_and_a_total() -> None:
    found, seen = _against("--count", "30", "--parallel", "7", always=REFUSES)
    assert found.exit_code == 1
    assert "30 conversations: 30 refused" in found.output
    wanted = {f"EAP_ID=0{sim.imsi.digits}" for sim in following(SIM, 30)}
    assert {request.target.partition("?")[2].partition("%40")[0] for request in seen} == wanted


def test_sims_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sims.csv"
    rows = [f"{sim.imsi.digits},{sim.k.hex()},{sim.opc.hex()}" for sim in demo_sims()]
    path.write_text("\n".join(("imsi,k,opc", *rows)))
    found, seen = _against(
        "--sim", str(path), "--imsi", "001010000000004", "--count", "2", always=REFUSES
    )
    assert found.exit_code == 1
    assert len(seen) == 2


def test_sequence_numbers_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "sqn.json"
    found, _ = _against("--sqn-file", str(path))
    assert found.exit_code == 0
    # The server begins anew with the same numbers, which the SIM has seen by now.
    found, seen = _against("--sqn-file", str(path))
    assert found.exit_code == 0
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ecs.example"], "no http:// or https:// address"),
        (["http://127.0.0.1:1/", "--imsi", "12"], "--imsi"),
        (["http://127.0.0.1:1/", "--imsi", "999990000000001"], "no demonstration SIM"),
        (["http://127.0.0.1:1/", "--imsi", "001010000000000"], "begin with"),
        (["http://127.0.0.1:1/", "--k", DEMO_K.hex()], "go together"),
        (["http://127.0.0.1:1/", "--k", "00" * 16, "--opc", "00" * 16], "need an --imsi"),
        (
            ["http://127.0.0.1:1/", "--imsi", "1" * 15, "--k", "0", "--opc", "00" * 16],
            "--k must have 32",
        ),
        (["http://127.0.0.1:1/", "--sim", "none.toml"], "No such file"),
        (["http://127.0.0.1:1/", "--param", "operation"], "--param NAME=VALUE"),
        (["http://127.0.0.1:1/", "--count", "1001"], "1000"),
        (["http://127.0.0.1:1/", "--fault", "rain"], "rain"),
        (["https://127.0.0.1:1/", "--ca", "none.pem"], "--ca none.pem"),
        (["http://127.0.0.1:1/", "--sqn-file", "/"], "Is a directory"),
    ],
)
def test_wrong_use_is_2_and_says_what_is_wrong(arguments: list[str], why: str) -> None:
    found = _handset(*arguments)
    assert found.exit_code == 2
    assert why in " ".join(found.output.split())
    assert "Traceback" not in found.output


@pytest.mark.parametrize("imsi", ["262010000000001", "310410000000001"])
def test_sims_of_real_networks_need_a_word(imsi: str) -> None:
    sim = ("--imsi", imsi, "--k", DEMO_K.hex(), "--opc", DEMO_OPC.hex())
    found, seen = _against(*sim, always=REFUSES)
    assert found.exit_code == 2
    assert "no test network" in found.output
    assert seen == []
    found, seen = _against(*sim, "--any-plmn", always=REFUSES)
    assert found.exit_code == 1
    assert len(seen) == 1


def test_ctrl_c_ends_it_cleanly() -> None:
    with serving() as server:
        process = subprocess.Popen(
            [sys.executable, "-c", "from simgrant.sim.cli import app; app()", "handset",
             str(server.url())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        try:
            assert server.asked.wait(20)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "interrupted"


def test_help_names_every_fault_and_profile() -> None:
    found = CliRunner().invoke(app, ["handset", "--help"], env={"COLUMNS": "400"})
    assert found.exit_code == 0
    assert "always-resync" in found.output
    assert "android-ims-provisioning" in found.output


def test_an_operation_is_asked_for_once_there_is_a_token() -> None:
    found, seen = _against("--operation", "AcquireTemporaryToken", "--targets", "GetPhoneNumber")
    assert found.exit_code == 0, found.output
    assert len(seen) == 3
    assert "operation_targets=GetPhoneNumber" in seen[-1].target
    assert "operation" not in seen[0].target


def test_a_partner_asks_with_what_it_was_lent() -> None:
    body = b'{"Vers":{"version":"1","validity":"60"},"ap2014":{"MSISDN":"+447700900001"}}'
    with serving(answer("200 OK", body, "application/json"), always=REFUSES) as server:
        arguments = ["partner", str(server.url()), "--temporary-token", "secret-token"]
        first, second = (CliRunner().invoke(app, arguments, env={"NO_COLOR": "1"}) for _ in "12")
    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "✓ the server has its document" in first.output
    assert "no TOKEN" in first.output
    for secret in ("secret-token", "7700900001"):
        assert secret not in first.output
    assert "Android" not in second.output


def test_a_partner_without_a_server_is_3() -> None:
    done = CliRunner().invoke(app, ["partner", "http://127.0.0.1:1/", "--temporary-token", "x"])
    assert done.exit_code == 3
