"""Milenage against all six published sets (TS 35.207)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap.algorithm import AkaAlgorithm, make_auts, open_auts
from simgrant.eap.milenage import Milenage, opc_from_op
from tests.vectors import Case, each, load

pytestmark = pytest.mark.spec("TS 35.206 §4.1")


@each("milenage")
def test_published_set(case: Case) -> None:
    milenage = Milenage(case.raw("k"), case.raw("opc"))
    rand, sqn, amf = case.raw("rand"), case.number("sqn"), case.raw("amf")
    assert milenage.f1(rand, sqn=sqn, amf=amf) == case.raw("f1")
    assert milenage.f1_star(rand, sqn=sqn, amf=amf) == case.raw("f1_star")
    made = milenage.f2345(rand)
    assert made.res == case.raw("f2")
    assert made.ck == case.raw("f3")
    assert made.ik == case.raw("f4")
    assert made.ak == case.raw("f5")
    assert milenage.f5_star(rand) == case.raw("f5_star")


@pytest.mark.spec("TS 33.102 §6.3.2")
@each("milenage")
def test_vector_is_put_together_from_the_functions(case: Case) -> None:
    milenage = Milenage(case.raw("k"), case.raw("opc"))
    vector = milenage.generate(case.raw("rand"), sqn=case.number("sqn"), amf=case.raw("amf"))
    concealed = (case.number("sqn") ^ case.number("f5")).to_bytes(6, "big")
    assert vector.rand == case.raw("rand")
    assert vector.autn == concealed + case.raw("amf") + case.raw("f1")
    assert (vector.xres, vector.ck, vector.ik) == (
        case.raw("f2"),
        case.raw("f3"),
        case.raw("f4"),
    )
    assert not vector.derived


def test_opc_from_op() -> None:
    case = load("milenage")[0]
    assert opc_from_op(case.raw("k"), case.raw("op")) == case.raw("opc")


def test_known_auts() -> None:
    case = load("milenage")[0]
    milenage = Milenage(case.raw("k"), case.raw("opc"))
    auts = make_auts(milenage, case.raw("rand"), sqn=0xFF9BB4D0B607)
    assert auts.hex() == "ba853f3c123ccf44e93596e355c6"
    assert open_auts(milenage, case.raw("rand"), auts) == 0xFF9BB4D0B607


@given(sqn=st.integers(0, (1 << 48) - 1), bit=st.integers(0, 111))
def test_auts_is_undone_and_any_changed_bit_is_seen(sqn: int, bit: int) -> None:
    milenage: AkaAlgorithm = Milenage(bytes(16), bytes(16))
    rand = bytes(range(16))
    auts = make_auts(milenage, rand, sqn=sqn)
    assert open_auts(milenage, rand, auts) == sqn
    changed = (int.from_bytes(auts, "big") ^ 1 << bit).to_bytes(14, "big")
    assert open_auts(milenage, rand, changed) is None


@pytest.mark.parametrize("size", [0, 13, 15])
def test_an_auts_of_a_wrong_size_is_not_ours(size: int) -> None:
    milenage = Milenage(bytes(16), bytes(16))
    auts = make_auts(milenage, bytes(16), sqn=32)
    assert open_auts(milenage, bytes(16), (auts + b"\0")[:size]) is None


@pytest.mark.parametrize(("k", "opc"), [(15, 16), (16, 17), (32, 16)])
def test_refuses_keys_of_a_wrong_size(k: int, opc: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Milenage(bytes(k), bytes(opc))
    with pytest.raises(ValueError, match="16 bytes"):
        opc_from_op(bytes(k), bytes(opc))


@pytest.mark.parametrize(
    ("rand", "sqn", "amf"), [(15, 0, 2), (16, 1 << 48, 2), (16, -1, 2), (16, 0, 3)]
)
def test_refuses_inputs_of_a_wrong_size(rand: int, sqn: int, amf: int) -> None:
    with pytest.raises(ValueError, match="SQN"):
        Milenage(bytes(16), bytes(16)).generate(bytes(rand), sqn=sqn, amf=bytes(amf))


def test_the_key_is_not_shown() -> None:
    assert repr(Milenage(b"k" * 16, b"o" * 16)) == "Milenage(…)"
