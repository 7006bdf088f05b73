"""Whether a phone has a number, and which it has (CAMARA number-verification 2.1).

The subscriber has to be proved by SIM or network; a number that is not his is no error.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Annotated, ClassVar, Final

import msgspec

from simgrant.domain.camara.usage import Outcome
from simgrant.flows.camara.api import Answer, Body, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import PhoneNumber
from simgrant.flows.camara.problem import Code, Problem

_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[a-fA-F0-9]{64}\Z")]


class NumberVerificationRequest(Body, kw_only=True):
    """One of the two."""

    says_one_thing: ClassVar[bool] = True
    phone_number: PhoneNumber = ""
    hashed_phone_number: _Sha256 = ""
    """Of the number in E.164, with its ``+``."""

    def __post_init__(self) -> None:
        """Raise ValueError, which is told, where it is none of the two or both."""
        if bool(self.phone_number) == bool(self.hashed_phone_number):
            raise ValueError("either phoneNumber or hashedPhoneNumber has to be there")


class NumberVerificationMatch(Content, frozen=True, kw_only=True):
    """Whether it is the number."""

    device_phone_number_verified: bool


class NumberVerificationShare(Content, frozen=True, kw_only=True):
    """The number."""

    device_phone_number: str


async def verify(task: Task) -> Answer:
    """Say whether the number that is claimed is the phone's, in the same time either way."""
    number, body = _number(task), task.body
    if body.phone_number:
        matches = hmac.compare_digest(body.phone_number.encode(), number.encode())
    else:
        digest = sha256(number.encode()).hexdigest()
        matches = hmac.compare_digest(body.hashed_phone_number.lower(), digest)
    return Answer(
        NumberVerificationMatch(device_phone_number_verified=matches),
        Outcome.MATCH if matches else Outcome.NO_MATCH,
    )


async def share(task: Task) -> Answer:
    """Return the phone's number."""
    return Answer(NumberVerificationShare(device_phone_number=_number(task)))


def _number(task: Task) -> str:
    msisdn = task.line.msisdn
    if msisdn is None:
        raise Problem(Code.UNAUTHENTICATED, reason="line_without_number")
    return msisdn.e164


API: Final = read_api(
    __package__,
    "number_verification",
    {
        "phoneNumberVerify": Handler(verify, NumberVerificationRequest, NumberVerificationMatch),
        "phoneNumberShare": Handler(share, content=NumberVerificationShare),
    },
)
