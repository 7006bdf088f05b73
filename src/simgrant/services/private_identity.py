"""Private user identity, ap2013: what a Wi-Fi network gets in the IMSI's place (TS.43 §12)."""

from __future__ import annotations

from simgrant.domain.facts import Facts, Question
from simgrant.domain.policy import Decision, Result
from simgrant.services.service import Enquiry, from_table
from simgrant.spec.ids import EntitlementStatus
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application, Parm

_STATUS = {
    Result.ALLOWED: EntitlementStatus.ENABLED,
    Result.DENIED: EntitlementStatus.INCOMPATIBLE,
    # There is no "provisioning" here: it is allowed, and not to be used yet.
    Result.PENDING: EntitlementStatus.DISABLED,
}


def questions(_version: SpecVersion, facts: Facts) -> tuple[Question, ...]:
    """Ask for the area the device is in."""
    return (Question("private_identity", facts.area.value),)


def answer(_facts: Facts, decisions: tuple[Decision, ...], enquiry: Enquiry) -> Application:
    """Say the status, and the identity where it is enabled (TS.43 §12.1.2)."""
    (decision,) = decisions
    status, identity = _STATUS[decision.result], enquiry.identity
    if status is EntitlementStatus.ENABLED and identity is None:
        status = EntitlementStatus.INCOMPATIBLE
    parms = [Parm("EntitlementStatus", str(int(status)))]
    if status is EntitlementStatus.ENABLED and identity is not None:
        parms += [
            Parm("PrivateUserID", identity.value),
            Parm("PrivateUserIDType", str(int(identity.kind))),
            Parm("PrivateUserIDExpiry", identity.expiry),
        ]
    return Application("ap2013", tuple(parms))


SERVICE = from_table(__name__).service(questions=questions, answer=answer)
