"""SIM files, the demonstration SIMs, and what is remembered of sequence numbers."""

import json
import stat
from pathlib import Path

import pytest

from simgrant.eap.tuak import topc_from_top
from simgrant.identities import Imsi, Msisdn
from simgrant.sim.sims import (
    DEMO_K,
    DEMO_OPC,
    Algorithm,
    BadSimFile,
    Sim,
    SqnFile,
    demo_sims,
    following,
    load_sims,
)

KI = DEMO_K.hex()
OPC = DEMO_OPC.hex()
OP = "cdc202d5123e20f62b6d676ac72cb318"
"""OP of the same test set (TS 35.207 §4.3)."""


def test_demonstration_sims() -> None:
    sims = demo_sims()
    assert [sim.imsi.digits for sim in sims] == [f"00101000000000{n}" for n in range(1, 6)]
    assert sims[4].msisdn == Msisdn("+447700900005")
    assert all((sim.k, sim.opc) == (DEMO_K, DEMO_OPC) for sim in sims)
    assert all(sim.is_test for sim in sims)


@pytest.mark.parametrize(
    ("imsi", "mnc_digits", "is_test"),
    [
        ("001010000000001", 2, True),
        ("001011000000001", 3, False),
        ("999990000000001", 2, True),
        ("999700000000001", 3, True),
        ("262010000000001", 2, False),
    ],
)
def test_which_networks_are_for_tests(imsi: str, mnc_digits: int, is_test: bool) -> None:
    sim = Sim(imsi=Imsi(imsi), k=DEMO_K, opc=DEMO_OPC, mnc_digits=mnc_digits)
    assert sim.is_test is is_test


def test_following_sims_run_out() -> None:
    last = Sim(imsi=Imsi("999999999999999"), k=DEMO_K, opc=DEMO_OPC)
    assert following(last, 1) == (last,)
    with pytest.raises(ValueError, match="not that many"):
        following(last, 2)


def test_no_repr_shows_a_key() -> None:
    shown = repr(demo_sims()[0])
    assert KI not in shown
    assert str(DEMO_K) not in shown
    assert "001010000000001" not in shown


FILES = {
    "sims.toml": f'[[sim]]\nimsi = "001010000000001"\nk = "{KI}"\nopc = "{OPC}"\nsqn = "20"\n'
    f'msisdn = "+447700900001"\n[[sim]]\nimsi = "999990000000002"\nki = "{KI}"\nop = "{OP}"\n',
    "sims.json": json.dumps(
        [
            {"imsi": "001010000000001", "k": KI, "opc": OPC, "sqn": "20", "msisdn": "447700900001"},
            {"IMSI": "999990000000002", "Ki": KI, "OP": OP, "mnc_digits": 2},
        ]
    ),
    "more.json": json.dumps(
        {
            "sims": [
                {
                    "imsi": "001010000000001",
                    "k": KI,
                    "opc": OPC,
                    "sqn": "20",
                    "msisdn": "447700900001",
                },
                {"imsi": "999990000000002", "k": KI, "op": OP, "algorithm": "Milenage"},
            ]
        }
    ),
    "sims.csv": f"\ufeffimsi, k,opc,op,sqn,msisdn\n001010000000001,{KI},{OPC},,20,+447700900001\n"
    f"999990000000002,{KI},,{OP},,\n",
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_says_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    assert load_sims(path) == (
        Sim(
            imsi=Imsi("001010000000001"),
            k=DEMO_K,
            opc=DEMO_OPC,
            sqn=0x20,
            msisdn=Msisdn("447700900001"),
        ),
        Sim(imsi=Imsi("999990000000002"), k=DEMO_K, opc=DEMO_OPC),
    )


def test_a_sim_may_have_tuak(tmp_path: Path) -> None:
    rows = [
        {"imsi": "001010000000001", "k": KI, "opc": OPC * 2, "algorithm": "tuak"},
        {
            "imsi": "001010000000002",
            "k": KI * 2,
            "op": OP * 2,
            "algorithm": "TUAK",
            "res_length": 16,
        },
    ]
    path = tmp_path / "sims.json"
    path.write_text(json.dumps(rows))
    one, other = load_sims(path)
    assert (one.algorithm, one.res_length, one.opc) == (Algorithm.TUAK, 8, DEMO_OPC * 2)
    assert other.opc == topc_from_top(DEMO_K * 2, bytes.fromhex(OP) * 2)
    for sim in (one, other):
        vector = sim.keys().generate(bytes(16), sqn=32, amf=bytes(2))
        assert len(vector.xres) == sim.res_length
        assert vector != sim.keys(wrong=True).generate(bytes(16), sqn=32, amf=bytes(2))


GOOD_ROW = {"imsi": "001010000000001", "k": KI, "opc": OPC}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.yaml", "", "ends in .toml, .json, .csv"),
        ("a.json", "{", "line 1"),
        ("a.toml", "=", "line 1"),
        ("a.json", "[]", "no SIM"),
        ("a.json", "3", "no SIM"),
        ("a.json", "[3]", "SIM 1: not a table"),
        ("a.json", json.dumps([GOOD_ROW, GOOD_ROW]), "same IMSI twice"),
        ("a.json", json.dumps([{**GOOD_ROW, "k": "xy" * 16}]), "SIM 1: k must have 32"),
        ("a.json", json.dumps([{**GOOD_ROW, "k": KI[:-2]}]), "SIM 1: k must have 32"),
        ("a.json", json.dumps([{"imsi": "1" * 15, "opc": OPC}]), "SIM 1: ki is missing"),
        ("a.json", json.dumps([{"imsi": "1" * 15, "k": KI}]), "opc or op is missing"),
        ("a.json", json.dumps([{**GOOD_ROW, "imsi": "12x"}]), "Imsi must have"),
        ("a.json", json.dumps([{**GOOD_ROW, "mnc_digits": 4}]), "mnc_digits must be 2 or 3"),
        ("a.json", json.dumps([{**GOOD_ROW, "mnc_digits": []}]), "mnc_digits must be 2 or 3"),
        ("a.json", json.dumps([{**GOOD_ROW, "sqn": "zz"}]), "sqn must have"),
        ("a.json", json.dumps([{**GOOD_ROW, "sqn": "1" + "0" * 12}]), "sqn must have"),
        ("a.json", json.dumps([{**GOOD_ROW, "algorithm": "comp128"}]), "milenage or tuak"),
        ("a.json", json.dumps([{**GOOD_ROW, "algorithm": "tuak"}]), "opc must have 64"),
        ("a.json", json.dumps([{**GOOD_ROW, "opc": OPC * 2}]), "opc must have 32"),
        ("a.json", json.dumps([{**GOOD_ROW, "res_length": 16}]), "res_length must be 8"),
        ("a.json", json.dumps([{**GOOD_ROW, "res_length": "x"}]), "res_length must be a number"),
        ("a.json", json.dumps([{**GOOD_ROW, "pin": "1234"}]), "unknown field 'pin'"),
    ],
)
def test_a_bad_file_is_refused_in_words(tmp_path: Path, name: str, text: str, why: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadSimFile, match=why) as caught:
        load_sims(path)
    assert KI[:8] not in str(caught.value)


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(BadSimFile, match="No such file"):
        load_sims(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSimFile, match="not UTF-8"):
        load_sims(tmp_path / "b.csv")


def test_sequence_numbers_are_kept_between_runs(tmp_path: Path) -> None:
    path = tmp_path / "sqn.json"
    book = SqnFile(path)
    assert book.taken(Imsi("001010000000001")) == ()
    book.keep(Imsi("001010000000001"), [0, 0x45, 0, 0x26])
    book.save()
    assert SqnFile(path).taken(Imsi("001010000000001")) == (0x45, 0x26)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["sqn.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"001010000000001": 3}', '{"001010000000001": ["x"]}'])
def test_another_file_is_not_taken_for_sequence_numbers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sqn.json"
    path.write_text(text)
    with pytest.raises(BadSimFile, match="not a file of sequence numbers"):
        SqnFile(path)
