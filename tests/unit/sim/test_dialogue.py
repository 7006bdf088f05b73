"""Questions as a phone reads and answers them."""

from __future__ import annotations

import base64

import pytest

from simgrant.sim.dialogue import Dialogue, NotTyped
from simgrant.sim.exchange import Outcome, Result
from simgrant.wire.document import Application, Characteristic, Document, Item, Parm, Vers

_BUTTONS = (Parm("Accept_btn", "1"), Parm("Reject_btn", "1"))
_TYPED = (
    Parm("Accept_freetext", "1"),
    Parm(
        "Accept_freetext_validation",
        "encodedValue=" + base64.b64encode(b"^[0-9]{4}$").decode(),
    ),
    Parm("Accept_freetext_validation_failed_error_text", "4 digits, please"),
)


def told(*items: Item) -> Outcome:
    document = Document(Vers(1, 1), None, (Application("ap2009", items),))
    return Outcome(result=Result.DOCUMENT, exchanges=(), document=document)


def asked(*items: Item) -> Characteristic:
    return Characteristic("MSG", (Parm("Message", "Well?"), *_BUTTONS, *items))


def test_a_question_is_answered_with_a_button() -> None:
    found = Dialogue.pull(
        told(Parm("SubscriptionResult", "8"), asked(Parm("Accept_freetext", "0")))
    )
    assert found is not None
    assert (found.message, found.typed) == ("Well?", False)
    assert found.accepted("whatever") == {"MSG_btn": "1"}
    assert found.rejected() == {"MSG_btn": "0"}


def test_what_is_typed_is_checked_before_it_is_sent() -> None:
    configuration = Characteristic(
        "PrimaryConfiguration", (Parm("ICCID", "8944500000000000017"), asked(*_TYPED))
    )
    found = Dialogue.pull(told(configuration))
    assert found is not None
    assert found.iccid == "8944500000000000017"
    assert "8944500000000000017" not in repr(found)
    assert found.accepted("1234") == {"MSG_btn": "1", "MSG_response": "1234"}
    with pytest.raises(NotTyped, match="4 digits, please"):
        found.accepted("12345")


@pytest.mark.parametrize("text", ["encodedValue=?", "encodedValue=/w==", "(", "encodedValue=KA=="])
def test_an_expression_that_is_none_matches_anything(text: str) -> None:
    items = (Parm("Accept_freetext", "1"), Parm("Accept_freetext_validation", text))
    found = Dialogue.pull(told(asked(*items)))
    assert found is not None
    assert found.accepted("12345") == {"MSG_btn": "1", "MSG_response": "12345"}


@pytest.mark.parametrize(
    "items",
    [
        (),
        (asked(),),
        (Characteristic("MSG", (Parm("Message", "Well?"), Parm("Accept_freetext", "0"))),),
        (Characteristic("MSG", (*_BUTTONS, Parm("Accept_freetext", "0"))),),
    ],
)
def test_what_lacks_something_is_no_question(items: tuple[Item, ...]) -> None:
    assert Dialogue.pull(told(*items)) is None
    assert Dialogue.pull(Outcome(result=Result.REFUSED, exchanges=())) is None
