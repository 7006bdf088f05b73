"""The software USIM: MAC-A, freshness and AUTS (TS 33.102 Annex C)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap.algorithm import open_auts
from simgrant.eap.milenage import Milenage
from simgrant.eap.usim import DELTA, SoftUsim, UsimReject, UsimSuccess, UsimSyncFailure
from simgrant.eap.vector import AuthVector
from tests.vectors import load

RAND = bytes(range(16))
ALGORITHM = Milenage(b"k" * 16, b"o" * 16)


def vector(sqn: int, amf: bytes = b"\x80\x00") -> AuthVector:
    return ALGORITHM.generate(RAND, sqn=sqn, amf=amf)


def test_answers_a_fresh_challenge_as_the_vector_says() -> None:
    made = vector(32)
    answer = SoftUsim(ALGORITHM).authenticate(RAND, made.autn)
    assert answer == UsimSuccess(made.xres, made.ck, made.ik)


@pytest.mark.spec("TS 33.102 §C.2.2")
def test_takes_no_sequence_number_twice() -> None:
    usim = SoftUsim(ALGORITHM)
    assert isinstance(usim.authenticate(RAND, vector(64).autn), UsimSuccess)
    assert isinstance(usim.authenticate(RAND, vector(64).autn), UsimSyncFailure)
    assert isinstance(usim.authenticate(RAND, vector(32).autn), UsimSyncFailure)
    assert isinstance(usim.authenticate(RAND, vector(96).autn), UsimSuccess)


@pytest.mark.spec("TS 33.102 §C.1.1")
def test_sources_with_different_ind_do_not_disturb_each_other() -> None:
    usim = SoftUsim(ALGORITHM)
    assert isinstance(usim.authenticate(RAND, vector(10 * 32 + 1).autn), UsimSuccess)
    assert isinstance(usim.authenticate(RAND, vector(5 * 32 + 2).autn), UsimSuccess)
    assert isinstance(usim.authenticate(RAND, vector(5 * 32 + 1).autn), UsimSyncFailure)


def test_auts_tells_the_highest_sequence_number_taken() -> None:
    usim = SoftUsim(ALGORITHM, taken=[7 * 32 + 3, 900 * 32 + 1, 20 * 32])
    answer = usim.authenticate(RAND, vector(32).autn)
    assert isinstance(answer, UsimSyncFailure)
    assert open_auts(ALGORITHM, RAND, answer.auts) == 900 * 32 + 1


@pytest.mark.spec("TS 33.102 §C.2.1")
@pytest.mark.parametrize(("jump", "taken"), [(DELTA, True), (DELTA + 1, False)])
def test_does_not_jump_too_far_ahead(jump: int, taken: bool) -> None:
    usim = SoftUsim(ALGORITHM, taken=[5 * 32])
    answer = usim.authenticate(RAND, vector((5 + jump) * 32 + 1).autn)
    assert isinstance(answer, UsimSuccess) is taken


@given(bit=st.integers(0, 127))
def test_a_changed_autn_is_refused(bit: int) -> None:
    usim = SoftUsim(ALGORITHM)
    changed = (int.from_bytes(vector(32).autn, "big") ^ 1 << bit).to_bytes(16, "big")
    assert usim.authenticate(RAND, changed) == UsimReject()
    assert usim.taken == (0,) * 32


@pytest.mark.spec("TS 33.402 §6.2")
def test_can_insist_on_the_separation_bit() -> None:
    strict = SoftUsim(ALGORITHM, needs_separation=True)
    assert strict.authenticate(RAND, vector(32, b"\0\0").autn) == UsimReject()
    assert isinstance(strict.authenticate(RAND, vector(32).autn), UsimSuccess)
    assert isinstance(SoftUsim(ALGORITHM).authenticate(RAND, vector(32, b"\0\0").autn), UsimSuccess)


def test_what_was_taken_survives_a_restart() -> None:
    usim = SoftUsim(ALGORITHM)
    usim.authenticate(RAND, vector(64).autn)
    again = SoftUsim(ALGORITHM, taken=usim.taken)
    assert isinstance(again.authenticate(RAND, vector(64).autn), UsimSyncFailure)


def test_known_sync_failure() -> None:
    case = load("milenage")[0]
    milenage = Milenage(case.raw("k"), case.raw("opc"))
    rand = case.raw("rand")
    made = milenage.generate(rand, sqn=0x20, amf=b"\x80\0")
    answer = SoftUsim(milenage, taken=range(0x400, 0x420)).authenticate(rand, made.autn)
    assert answer == UsimSyncFailure(bytes.fromhex("451e8beca02416df9f284c5beff2"))


def test_shows_nothing() -> None:
    assert repr(SoftUsim(ALGORITHM)) == "SoftUsim(…)"
    assert repr(UsimSuccess(b"r", b"c", b"i")) == "UsimSuccess()"
    assert repr(UsimSyncFailure(b"a")) == "UsimSyncFailure()"
