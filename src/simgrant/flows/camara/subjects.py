"""About whom an access token will be: what a consumer names a subscriber by, and the line of it.

``operatortoken:`` and ``temptoken:`` (Google's plain flavour of TS.43) bring a temporary token that
a phone got with its SIM; ``tel:`` a number, for whom the operator trusts by contract; ``ipport:``
the end of a connection that the network knows.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import field
from typing import Final

from simgrant.domain.camara.access_token import Method, Subject
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.subscription import SERVED, Subscription
from simgrant.errors import BadLentToken
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.flows.camara.request import OAuthRequest
from simgrant.flows.camara.scopes import Granted, is_good_for
from simgrant.flows.lent_tokens import Lent, pull_lent
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Purpose
from simgrant.nouns import named_noun
from simgrant.ports.camara_tokens import Temporary
from simgrant.ports.clock import Clock
from simgrant.ports.connection_owner import ConnectionOwner
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.spec.ids import AppId

OPERATOR_TOKEN: Final = "operatortoken"  # noqa: S105 - a prefix
TEMPORARY_TOKEN: Final = "temptoken"  # noqa: S105 - a prefix
TEL: Final = "tel"
IP_PORT: Final = "ipport"
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{4,14}", re.ASCII)
_MOST_HINT: Final = 4_096


@named_noun
class Meant:
    """Whom a consumer means, and how that was proved."""

    subject: Subject
    method: Method
    lent: Lent | None = field(default=None, repr=False)
    """The temporary token that says so."""
    redeems: bool = False
    """Whether it is redeemed and not consumed: it is shown again, with the access token."""

    def temporary(self, *, at: int, redeemed_for: bytes = b"") -> Temporary | None:
        """Return what becomes of the temporary token in an exchange."""
        lent = self.lent
        if lent is None or not lent.single_use:
            return None
        return Temporary(
            imsi=lent.imsi,
            token_id=lent.token_id,
            at=at,
            expires_at=lent.expires,
            redeemed_for=redeemed_for,
        )


class Subjects:
    """Finds out whom consumers mean."""

    def __init__(
        self, store: Store, *, keys: Keys, clock: Clock, owner: ConnectionOwner | None = None
    ) -> None:
        """``owner`` knows whose connections are; None = nobody does."""
        self._store = store
        self._keys = keys
        self._clock = clock
        self._owner = owner

    async def meant(
        self,
        request: OAuthRequest,
        consumer: Consumer,
        hint: str,
        granted: Granted,
        *,
        unknown: OAuthError,
        asks: bool = False,
    ) -> Meant:
        """Return whom a hint means; raise `OAuthRefused`, with ``unknown`` for whatever is wrong.

        Nothing is written by it. With ``asks`` it is a number, whose owner will be asked: whoever
        names it need not be trusted.
        """
        prefix, colon, rest = hint.partition(":")
        if not colon or not rest or len(hint) > _MOST_HINT:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "hint_malformed")
        if prefix not in consumer.subjects and not asks:
            raise OAuthRefused(OAuthError.UNAUTHORIZED_CLIENT, "hint_not_of_contract")
        match prefix:
            case "operatortoken" | "temptoken":
                return await self._of_token(
                    request, consumer, rest, granted, unknown, redeems=prefix == TEMPORARY_TOKEN
                )
            case "tel":
                if not _NUMBER.fullmatch(rest):
                    raise OAuthRefused(OAuthError.INVALID_REQUEST, "hint_malformed")
                found = await self._store.find(request.tenant, msisdn=Msisdn(rest))
                method = Method.CHALLENGE if asks else Method.CLAIMED
                return Meant(subject=self._subject(found, request, unknown), method=method)
            case "ipport":
                return await self._of_connection(request, rest, unknown)
            case _:
                raise OAuthRefused(OAuthError.INVALID_REQUEST, "hint_unknown")

    async def still(self, request: OAuthRequest, subject: Subject) -> bool:
        """Say whether a line is still that of whom it was: same SIM, same number."""
        found = await self._store.find(request.tenant, imsi=subject.imsi)
        return (
            found is not None
            and found.status in SERVED
            and found.token_epoch == subject.epoch
            and found.msisdn == subject.msisdn
        )

    async def connected(
        self, request: OAuthRequest, address: str, port: int, unknown: OAuthError
    ) -> Meant:
        """Return whose connection it is; raise `OAuthRefused` where nobody knows."""
        if self._owner is None:
            raise OAuthRefused(unknown, "connections_not_known")
        imsi = await self._owner.of(request.tenant, address, port, deadline=request.deadline)
        found = None if imsi is None else await self._store.find(request.tenant, imsi=imsi)
        return Meant(subject=self._subject(found, request, unknown), method=Method.NETWORK)

    async def _of_connection(self, request: OAuthRequest, rest: str, unknown: OAuthError) -> Meant:
        host, _, port = rest.rpartition(":")
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
            number = int(port) if port.isascii() and port.isdigit() else 0
        except ValueError:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "hint_malformed") from None
        if not 0 < number < 65_536:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "hint_malformed")
        return await self.connected(request, str(address), number, unknown)

    async def _of_token(
        self,
        request: OAuthRequest,
        consumer: Consumer,
        text: str,
        granted: Granted,
        unknown: OAuthError,
        *,
        redeems: bool,
    ) -> Meant:
        try:
            opened = pull_lent(Purpose.TEMPORARY_TOKEN, text, self._keys, now=self._clock.now())
        except BadLentToken as bad:
            raise OAuthRefused(unknown, bad.reason) from None
        if opened is None:
            raise OAuthRefused(unknown, "temporary_token_foreign")
        tenant, lent = opened
        if tenant != request.tenant:
            raise OAuthRefused(unknown, "temporary_token_of_another_tenant")
        self._name(request, lent.imsi)
        if lent.app_id != AppId.DEVICE_INFORMATION:
            raise OAuthRefused(unknown, "temporary_token_of_another_app")
        if lent.requestor and lent.requestor not in consumer.requestor_ids:
            raise OAuthRefused(unknown, "temporary_token_of_another_requestor")
        if lent.client_id not in ("", consumer.client_id):
            raise OAuthRefused(unknown, "temporary_token_of_another_consumer")
        if not is_good_for(lent.operations, granted.scopes):
            raise OAuthRefused(OAuthError.INVALID_SCOPE, "temporary_token_of_another_operation")
        profile = await self._store.profile(tenant, lent.imsi, lent.terminal_id, lent.client)
        if (
            profile is None
            or profile.subscription.token_epoch != lent.epoch
            or profile.granted_at is None
            or (profile.terminal_epoch or 0) != lent.terminal_epoch
        ):
            raise OAuthRefused(unknown, "temporary_token_revoked")
        subject = self._subject(profile.subscription, request, unknown)
        return Meant(subject=subject, method=Method.SIM, lent=lent, redeems=redeems)

    def _subject(
        self, found: Subscription | None, request: OAuthRequest, unknown: OAuthError
    ) -> Subject:
        if found is None or found.status not in SERVED or found.msisdn is None:
            raise OAuthRefused(unknown, "subscriber_unknown")
        self._name(request, found.imsi)
        return Subject(imsi=found.imsi, msisdn=found.msisdn, epoch=found.token_epoch)

    def _name(self, request: OAuthRequest, imsi: Imsi) -> None:
        request.trail.subscriber_ref = self._keys.ring.reference(
            request.tenant, "imsi", imsi.digits, now=self._clock.now()
        )
