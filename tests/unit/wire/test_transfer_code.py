"""The code by which an old phone learns of a new one (TS.43 §6.8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.identities import Eid, Imei
from simgrant.wire.transfer_code import (
    BadTransferCode,
    TransferCode,
    pull_transfer_code,
    push_transfer_code,
)

EID, IMEI = "89049032123451234512345678901235", "350000000000033"
WHOLE = TransferCode(Eid(EID), Imei(IMEI))

eids = st.text("0123456789", min_size=32, max_size=32).map(Eid)
imeis = st.text("0123456789", min_size=15, max_size=15).map(Imei)
codes = st.one_of(
    st.builds(TransferCode, eids, imeis),
    st.builds(TransferCode, eids, st.none()),
    st.builds(TransferCode, st.none(), imeis),
)


@pytest.mark.spec("TS.43 §6.8")
@pytest.mark.conforms("portal.transfer-code")
def test_it_is_written_as_the_specification_has_it() -> None:
    assert push_transfer_code(WHOLE) == f"esim:transfer?eid={EID}&imei={IMEI}"


@pytest.mark.spec("TS.43 §6.8")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"esim:transfer?eid={EID}&imei={IMEI}", WHOLE),
        (f"ESIM:TRANSFER?IMEI={IMEI}&EID={EID}", WHOLE),
        (f"esim:transfer?eid={EID}&model=P1&imei={IMEI}", WHOLE),
        (f"esim:transfer?eid={EID}", TransferCode(Eid(EID), None)),
        (f"esim:transfer?imei={IMEI}", TransferCode(None, Imei(IMEI))),
    ],
)
def test_it_is_read_in_any_order_and_in_part(text: str, code: TransferCode) -> None:
    assert pull_transfer_code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "esim:transfer",
        "esim:transfer?",
        f"lpa:transfer?eid={EID}",
        f"esim:transfer&eid={EID}",
        f"esim:transfer?eid={EID[:-1]}",
        f"esim:transfer?eid={EID}0",
        f"esim:transfer?eid={EID}\n",
        f"esim:transfer?imei={IMEI[:-1]}",
        f"esim:transfer?imei={IMEI}0",
        f"esim:transfer?eid={EID}&imei=",
        f"esim:transfer?eid={EID}&eid={EID}",
        f"esim:transfer?eid={'٣' * 32}",
        f"esim:transfer?eid=%38{EID[1:]}",
        f"esim:transfer?imei={IMEI}&x={'y' * 300}",
    ],
)
def test_what_is_no_code_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadTransferCode) as raised:
        pull_transfer_code(text)
    assert EID[:-1] not in str(raised.value)
    assert IMEI[:-1] not in str(raised.value)


def test_one_that_could_not_be_read_back_cannot_be_made() -> None:
    for eid, imei in ((None, None), (None, Imei(IMEI[:-1])), (Eid(EID), Imei(f"{IMEI}0"))):
        with pytest.raises(BadTransferCode):
            TransferCode(eid, imei)


@given(codes)
def test_every_code_is_read_back(code: TransferCode) -> None:
    assert pull_transfer_code(push_transfer_code(code)) == code


@given(st.text(max_size=300) | st.text(max_size=80).map("esim:transfer?".__add__))
def test_any_text_is_a_code_or_none(text: str) -> None:
    try:
        code = pull_transfer_code(text)
    except BadTransferCode:
        return
    assert pull_transfer_code(push_transfer_code(code)) == code
