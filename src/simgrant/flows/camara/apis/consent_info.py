"""Whether a consumer may process what is a subscriber's (CAMARA consent-info 0.2)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from simgrant.flows.camara.api import Answer, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import OfNumber
from simgrant.flows.camara.callbacks import is_callback
from simgrant.flows.camara.problem import Code, Problem
from simgrant.nouns import replace
from simgrant.ports.camara_consents import CAPTURABLE, Processing, Purposeful, Standing
from simgrant.wire.instant import utc

_PREFIX: Final = "dpv:"
_MOST_SCOPES: Final = 64

_Scope = Annotated[str, msgspec.Meta(max_length=128)]
_Scopes = Annotated[list[_Scope], msgspec.Meta(min_length=1, max_length=_MOST_SCOPES)]
_Purpose = Annotated[str, msgspec.Meta(pattern=r"^dpv:[a-zA-Z0-9]+\Z", max_length=128)]
_Url = Annotated[str, msgspec.Meta(max_length=2048)]


class RetrieveStatus(OfNumber, kw_only=True):
    """What is to be processed, and what for."""

    scopes: _Scopes
    purpose: _Purpose
    request_capture_url: bool
    callback_url: _Url | msgspec.UnsetType = msgspec.UNSET


class StatusInfo(Content, frozen=True, kw_only=True):
    """How some of the scopes stand."""

    scopes: list[str]
    purpose: str
    status_valid_for_processing: bool
    status_reason: str | msgspec.UnsetType = msgspec.UNSET
    expiration_date: str | msgspec.UnsetType = msgspec.UNSET


class ConsentStatus(Content, frozen=True, kw_only=True):
    """How all stand, and where the subscriber can be asked."""

    status_info: list[StatusInfo]
    capture_url: str | msgspec.UnsetType = msgspec.UNSET


async def retrieve(task: Task) -> Answer:
    """Return how the scopes stand; raise `Problem` for those that are not the consumer's."""
    body: RetrieveStatus = task.body
    if task.consents is None:
        raise Problem(Code.SERVICE_NOT_APPLICABLE, reason="no_consents_kept")
    purpose = body.purpose.removeprefix(_PREFIX)
    for scope in body.scopes:
        permission = task.consumer.permission(scope)
        if permission is None or purpose not in permission.purposes:
            raise Problem(Code.NOT_ALLOWED_SCOPES_PURPOSE, reason="scopes_not_granted")
    callback = "" if body.callback_url is msgspec.UNSET else body.callback_url
    if callback and not is_callback(callback, task.consumer):
        raise Problem(Code.INVALID_CALLBACK_URL, reason="callback_not_named")
    wanted = Purposeful(
        client_id=task.consumer.client_id,
        application=task.token.application,
        purpose=purpose,
        # A scope that is named twice is asked about once.
        scopes=tuple(dict.fromkeys(body.scopes)),
    )
    subscription = task.line.subscription
    found = await task.consents.of(subscription, wanted, now=task.now)
    url = ""
    open_ones = [scope for each in found if each.standing in CAPTURABLE for scope in each.scopes]
    if body.request_capture_url and open_ones:
        asked = replace(wanted, scopes=tuple(open_ones))
        settled = CAPTURABLE | {Standing.VALID}
        url = await task.consents.capture_url(
            subscription,
            asked,
            callback,
            partly=any(each.standing not in settled for each in found),
            now=task.now,
        )
    return Answer(
        ConsentStatus(
            status_info=[_info(each, body.purpose) for each in found],
            capture_url=url or msgspec.UNSET,
        )
    )


def _info(processing: Processing, purpose: str) -> StatusInfo:
    standing, at = processing.standing, processing.expires_at
    valid = standing is Standing.VALID
    dated = at is not None and (valid or standing is Standing.EXPIRED)
    return StatusInfo(
        scopes=list(processing.scopes),
        purpose=purpose,
        status_valid_for_processing=valid,
        status_reason=msgspec.UNSET if valid else standing.value,
        expiration_date=utc(at) if dated and at is not None else msgspec.UNSET,
    )


API: Final = read_api(
    __package__,
    "consent_info",
    {"retrieveStatus": Handler(retrieve, RetrieveStatus, ConsentStatus)},
)
