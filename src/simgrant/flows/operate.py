"""A request with ``operation``: checked against the operation's table, done, put into words.

TS.43 §6. Statuses and results overlap in the specification; the order here is: what a token is
not good for is an HTTP status, what an operation refuses is a result in a document. Who asks with
a temporary token is told of a bad parameter by 400, as Table 8 has it, all others by a result.
"""

from __future__ import annotations

from simgrant.domain.subscription import Profile, Subscription, SubscriptionStatus
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import (
    BadLentToken,
    BadRequest,
    NotAllowed,
    NotOffered,
    Unauthenticated,
    UnknownIdentity,
)
from simgrant.flows import esim_pages
from simgrant.flows.authenticate import Call, Principal, Reception
from simgrant.flows.by_lent_token import Borrower, ByLentToken
from simgrant.flows.by_requestor import ByRequestor, ProvedRequestor
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.esim_means import FEATURES
from simgrant.flows.limits import LentLimits
from simgrant.flows.operations import OPERATED
from simgrant.flows.operations.operation import (
    Done,
    Holder,
    Means,
    Offer,
    Operation,
    Proof,
    Refused,
    RequestorTask,
    Task,
)
from simgrant.flows.operations.validate_operator_token import INVALID
from simgrant.nouns import noun, replace
from simgrant.spec.ids import OperationResult, RegisterNotifStatus
from simgrant.wire.document import Application, Parm, Token
from simgrant.wire.negotiate import best_text, languages
from simgrant.wire.request import Ask

UNKNOWN = "unknown"
"""What records and metrics call every operation that there is not."""


@noun
class Told:
    """What a third party is told, by whom, and of whose subscription.

    That is None where its token is of nobody, and where a system asks by itself.
    """

    application: Application
    tenant: str
    subscription: Subscription | None
    offer: Offer
    token: Token | None = None
    """The TOKEN of a system; nobody else gets one."""


@noun
class StepUp:
    """It is done once a person has signed in, for whom the SIM is not proof enough."""

    otherwise: Application
    """What is told where nobody can."""


class Operate:
    """Does operations: for devices, for whom they lent a token to, for systems by themselves."""

    def __init__(
        self,
        reception: Reception,
        *,
        means: Means,
        by_lent_token: ByLentToken,
        by_requestor: ByRequestor,
        bss: Eligibilities,
        limits: LentLimits,
    ) -> None:
        self._reception = reception
        self._means = means
        self._lent = by_lent_token
        self._requestors = by_requestor
        self._bss = bss
        self._limits = limits

    def wanted(self, apps: tuple[str, ...], ask: Ask) -> bool:
        """Say whether a device's request is for an operation.

        To an application that has none the parameter means nothing: an answer without its
        status would switch the service off (divergence "operation-of-plain-service").
        """
        if not ask.value("operation") or OPERATED.isdisjoint(apps):
            return False
        if len(apps) > 1:
            raise BadRequest("operation_of_several_apps")
        return True

    async def prove_app(self, ask: Ask, call: Call, tenant: Tenant, trail: Trail) -> None:
        """Refuse a bad access_token before the SIM is asked, where it means something.

        Nobody has proved anything yet, and an issuer may have to be asked: who is refused time
        and again has to wait here too.
        """
        if OPERATED.isdisjoint(ask.apps):
            return
        now = self._reception.clock.monotonic()
        self._limits.admit(call.source, now=now)
        try:
            await self._lent.client(tenant, ask, call, trail)
        except BadLentToken:
            self._limits.refused(call.source, now=now)
            raise

    async def for_device(
        self,
        who: Principal,
        call: Call,
        trail: Trail,
        registrations: tuple[RegisterNotifStatus, ...] | None,
    ) -> Application | StepUp:
        """Do what a device asks for whose SIM is proved, and return what it is told."""
        (app_id,) = who.apps
        registered = registrations[0] if registrations else None
        operation = self._named(who.ask, app_id, trail)
        if operation is None:
            return _worded(app_id, _unknown(), trail, registered=registered)
        if Proof.SIM not in operation.proofs[app_id]:
            raise NotAllowed("operation_not_by_device")
        task = Task(
            who.tenant,
            who.profile.subscription,
            app_id,
            who.ask,
            int(self._reception.clock.now()),
            Proof.SIM,
            Holder(who.terminal_id, who.claims.client, who.profile.terminal_epoch or 0),
            None,
            client_id="",
            signed_in=who.claims.way,
            signed_in_at=who.claims.issued,
            languages=languages(call.accept_language),
            told=who.profile.told,
        )
        outcome: Done | Refused | None
        outcome = self._refusal(operation, task.tenant, task.subscription, task.ask)
        if outcome is None:
            client_id = await self._lent.client(who.tenant, who.ask, call, trail)
            outcome = await operation.run(replace(task, client_id=client_id), self._means)
        if isinstance(outcome, Refused):
            outcome = self._explained(outcome, app_id, who.tenant, call)
        outcome = esim_pages.with_error_page(task, self._means, outcome)
        worded = _worded(app_id, outcome, trail, registered=registered)
        if isinstance(outcome, Refused) and outcome.step_up:
            return StepUp(worded)
        return worded

    async def for_borrower(self, ask: Ask, call: Call, trail: Trail) -> Told:
        """Do what is asked for with a lent token, and return what its holder is told.

        Whoever is refused time and again has to wait (TS.43 §2.8.6).
        """
        now = self._reception.clock.monotonic()
        self._limits.admit(call.source, now=now)
        try:
            return await self._borrowed(ask, call, trail)
        except (BadLentToken, BadRequest, NotAllowed):
            self._limits.refused(call.source, now=now)
            raise

    async def _borrowed(self, ask: Ask, call: Call, trail: Trail) -> Told:
        try:
            shown = self._lent.open(ask, call, trail)
            (app_id, *more) = self._reception.asked(ask, trail)
            if more:
                raise BadRequest("operation_of_several_apps")
            if not ask.value("operation"):
                raise BadRequest("no_operation")
            operation = self._named(ask, app_id, trail)
            offer = self._means.offers[shown.tenant.name]
            if operation is None:
                return Told(_worded(app_id, _unknown(), trail), shown.tenant.name, None, offer)
            who = await self._lent.admit(shown, operation, app_id, ask, call, trail)
        except BadLentToken as error:
            return self._about_bad_token(error, ask, call, trail)
        profile, lent = await self._told(who, app_id, call, trail), who.lent
        subscription = profile.subscription
        whose, now = (who.tenant.name, lent.imsi.digits), self._reception.clock.monotonic()
        self._limits.let_guess(*whose, now=now)
        task = Task(
            who.tenant,
            subscription,
            app_id,
            ask,
            who.at,
            who.proof,
            Holder(lent.terminal_id, lent.client, lent.terminal_epoch),
            lent,
            who.client_id,
            signed_in=lent.signed_in,
            signed_in_at=lent.signed_in_at,
            held_for=who.held_for,
            languages=languages(call.accept_language),
            told=profile.told,
        )
        outcome: Done | Refused | None = self._refusal(operation, who.tenant, subscription, ask)
        if outcome is None:
            outcome = await operation.run(task, self._means)
        if isinstance(outcome, Refused):
            bad = outcome.result is OperationResult.INVALID_PARAMETER
            if bad and who.proof is Proof.TEMPORARY_TOKEN:
                raise BadRequest("operation_parameter", for_operator=outcome.detail)
            outcome = self._explained(outcome, app_id, who.tenant, call)
            outcome = esim_pages.with_error_page(task, self._means, outcome)
        else:
            await self._lent.consume(who, ask, trail)
            if outcome.wrong_guess:
                self._limits.guessed_wrong(*whose, now=now)
        told = _worded(app_id, outcome, trail, bare=offer.bare_json)
        return Told(told, who.tenant.name, subscription, offer)

    async def _told(self, who: Borrower, app_id: str, call: Call, trail: Trail) -> Profile:
        """Return whose token it is, as the BSS has him; raise `BadLentToken` if that is nobody."""
        try:
            return await self._bss.of(who.profile, (app_id,), deadline=call.deadline, trail=trail)
        except UnknownIdentity as error:
            raise BadLentToken("lent_token_revoked", for_operator=error.reason) from None

    def by_requestor(self, ask: Ask) -> bool:
        """Say whether a request is that of a system, which proves nobody but itself."""
        return self._requestors.takes(ask)

    async def for_requestor(self, ask: Ask, call: Call, trail: Trail) -> Told:
        """Do what a system asks for by itself, and return what it is told.

        Without an operation it has authenticated, and gets its TOKEN.
        """
        now = self._reception.clock.monotonic()
        self._limits.admit(call.source, now=now)
        try:
            who = await self._requestors.prove(ask, call, trail)
            outcome = await self._done_for(who, ask, trail)
        except (Unauthenticated, BadRequest, NotAllowed):
            self._limits.refused(call.source, now=now)
            raise
        told = _worded(who.app_id, outcome, trail)
        return Told(told, who.tenant.name, None, Offer(), who.token)

    async def _done_for(self, who: ProvedRequestor, ask: Ask, trail: Trail) -> Done | Refused:
        if not ask.value("operation"):
            return Done()
        operation = self._named(ask, who.app_id, trail)
        if operation is None:
            return _unknown()
        if not who.requestor.partner.may_alone(operation.name):
            raise NotAllowed("operation_not_of_requestor")
        if refusal := self._not_begun(operation, who.tenant, ask):
            return refusal
        task = RequestorTask(who.tenant, who.requestor, who.app_id, ask, who.at)
        return await operation.run_for_requestor(task, self._means)

    def _explained(self, refusal: Refused, app_id: str, tenant: Tenant, call: Call) -> Refused:
        """Return what ended in a general error with a text to show (TS.43 §6.5.1)."""
        if app_id not in FEATURES or refusal.result is not OperationResult.GENERAL_ERROR:
            return refusal
        speech, spoken = self._means.esim.speech[tenant.name], languages(call.accept_language)
        text = best_text(refusal.texts, (*spoken, speech.language)) or speech.say("error", spoken)
        return replace(refusal, items=(*refusal.items, Parm("GeneralErrorText", text)))

    def _named(self, ask: Ask, app_id: str, trail: Trail) -> Operation | None:
        """Return the operation that is asked for, None if this application has none such."""
        operation = self._means.operation(ask.value("operation"))
        if operation is None or app_id not in operation.proofs:
            trail.operation = UNKNOWN
            return None
        trail.operation = operation.name
        return operation

    def _refusal(
        self, operation: Operation, tenant: Tenant, subscription: Subscription, ask: Ask
    ) -> Refused | None:
        """Return why an operation is not begun for a subscription, None where it may be."""
        if refusal := self._not_begun(operation, tenant, ask):
            return refusal
        if subscription.status is not SubscriptionStatus.ACTIVE:
            return Refused(
                OperationResult.GENERAL_ERROR, f"the subscription is {subscription.status}"
            )
        return None

    def _not_begun(self, operation: Operation, tenant: Tenant, ask: Ask) -> Refused | None:
        """Return why an operation is not begun for anybody, None where it may be."""
        if operation.name in self._means.offers[tenant.name].withheld:
            if operation.optional:
                return Refused(OperationResult.NOT_SUPPORTED, "the tenant does not offer it")
            raise NotOffered("operation_not_offered")
        for name in operation.required:
            if not _given(ask, name):
                return Refused(OperationResult.INVALID_PARAMETER, f"{name} is missing")
        return None

    def _about_bad_token(self, error: BadLentToken, ask: Ask, call: Call, trail: Trail) -> Told:
        """Tell whoever asks just whether a token is good that it is not; raise for all else."""
        operation = self._means.operation(ask.value("operation"))
        if (
            operation is None
            or not operation.asks_validity
            or not error.reason.startswith("lent_token_")
            or not all(app in operation.proofs for app in ask.apps)
            or len(ask.apps) != 1
        ):
            raise error
        trail.apps, trail.operation = ask.apps, operation.name
        told = _worded(ask.apps[0], INVALID, trail)
        trail.detail = error.reason
        # Of a token that is nobody's, whoever is asked says so.
        tenant = trail.tenant or self._reception.tenancy.resolve(call.host, None, "").name
        return Told(told, tenant, None, Offer())


def _unknown() -> Refused:
    return Refused(OperationResult.INVALID_OPERATION, "no operation of this application")


def _given(ask: Ask, name: str) -> bool:
    # The figures of TS.43 write it in the singular.
    return bool(ask.value(name) or (name == "operation_targets" and ask.value("operation_target")))


def _worded(
    app_id: str,
    outcome: Done | Refused,
    trail: Trail,
    *,
    registered: RegisterNotifStatus | None = None,
    bare: bool = False,
) -> Application:
    """Return the part of a document that tells how an operation ended (TS.43 §6.5.1)."""
    result = outcome.result if isinstance(outcome, Refused) else OperationResult.SUCCESS
    if outcome.detail:
        trail.detail = outcome.detail
    trail.operation_result = int(result)
    if outcome.verdict is not None:
        trail.verdict, trail.times = outcome.verdict, dict(outcome.times)
    items = outcome.items
    if not (bare and result is OperationResult.SUCCESS):
        items = (Parm("OperationResult", str(int(result))), *items)
    if registered is not None:
        items = (*items, Parm("RegisterNotifStatus", str(int(registered))))
    return Application(app_id, items)
