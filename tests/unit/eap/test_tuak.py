"""TUAK against all six published sets, and Keccak against hashlib (TS 35.233)."""

from __future__ import annotations

import hashlib

import pytest

from simgrant.eap.algorithm import AkaAlgorithm, make_auts, open_auts
from simgrant.eap.tuak import Tuak, _keccak, topc_from_top
from tests.vectors import Case, each, load

pytestmark = pytest.mark.spec("TS 35.231 §6")


@each("tuak")
def test_published_set(case: Case) -> None:
    k, iterations = case.raw("k"), int(case["iterations"])
    topc = topc_from_top(k, case.raw("top"), iterations=iterations)
    assert topc == case.raw("topc")
    tuak = Tuak(
        k,
        topc,
        res_bytes=len(case.raw("f2")),
        mac_bytes=len(case.raw("f1")),
        ck_bytes=len(case.raw("f3")),
        ik_bytes=len(case.raw("f4")),
        iterations=iterations,
    )
    rand, sqn, amf = case.raw("rand"), case.number("sqn"), case.raw("amf")
    assert tuak.f1(rand, sqn=sqn, amf=amf) == case.raw("f1")
    assert tuak.f1_star(rand, sqn=sqn, amf=amf) == case.raw("f1_star")
    made = tuak.f2345(rand)
    assert made.res == case.raw("f2")
    assert made.ck == case.raw("f3")
    assert made.ik == case.raw("f4")
    assert made.ak == case.raw("f5")
    assert tuak.f5_star(rand) == case.raw("f5_star")


@pytest.mark.parametrize("text", [b"", b"simgrant", bytes(range(135))])
def test_the_permutation_is_that_of_sha3(text: bytes) -> None:
    padded = bytearray(text + b"\x06").ljust(136, b"\0")
    padded[135] |= 0x80
    state = bytes(padded).ljust(200, b"\0")
    lanes = [int.from_bytes(state[at : at + 8], "little") for at in range(0, 200, 8)]
    _keccak(lanes)
    out = b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])
    assert out == hashlib.sha3_256(text).digest()


@pytest.mark.parametrize("res_bytes", [4, 8, 16])
def test_vector_for_eap_aka(res_bytes: int) -> None:
    case = load("tuak")[0]
    tuak = Tuak(case.raw("k"), case.raw("topc"), res_bytes=res_bytes)
    rand, sqn, amf = case.raw("rand"), case.number("sqn"), case.raw("amf")
    vector = tuak.generate(rand, sqn=sqn, amf=amf)
    made = tuak.f2345(rand)
    concealed = (sqn ^ int.from_bytes(made.ak, "big")).to_bytes(6, "big")
    assert vector.autn == concealed + amf + case.raw("f1")
    assert len(vector.xres) == res_bytes
    assert (vector.xres, vector.ck, vector.ik) == (made.res, made.ck, made.ik)


def test_auts_is_undone() -> None:
    tuak: AkaAlgorithm = Tuak(bytes(16), bytes(32))
    auts = make_auts(tuak, bytes(16), sqn=0x123456789ABC)
    assert len(auts) == 14
    assert open_auts(tuak, bytes(16), auts) == 0x123456789ABC
    assert open_auts(tuak, b"\1" * 16, auts) is None


@pytest.mark.parametrize(
    "sizes",
    [{"res_bytes": 5}, {"mac_bytes": 4}, {"ck_bytes": 8}, {"ik_bytes": 8}, {"iterations": 0}],
)
def test_refuses_sizes_that_do_not_exist(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"bytes"):
        Tuak(bytes(16), bytes(32), **sizes)


@pytest.mark.parametrize(("k", "top"), [(24, 32), (16, 16)])
def test_refuses_keys_of_a_wrong_size(k: int, top: int) -> None:
    with pytest.raises(ValueError, match="K has"):
        Tuak(bytes(k), bytes(top))
    with pytest.raises(ValueError, match="K has"):
        topc_from_top(bytes(k), bytes(top))


def test_refuses_inputs_of_a_wrong_size() -> None:
    with pytest.raises(ValueError, match="SQN"):
        Tuak(bytes(16), bytes(32)).f1(bytes(16), sqn=1 << 48, amf=bytes(2))


def test_the_key_is_not_shown() -> None:
    assert repr(Tuak(b"k" * 16, b"t" * 32)) == "Tuak(…)"
