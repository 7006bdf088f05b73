"""Why a consumer gets no token, by the words of OAuth, and for the operator by a reason code.

What the consumer is told never says which of several things was wrong, where that would tell
somebody who guesses: all that is wrong with a proof is ``invalid_client``.
"""

from __future__ import annotations

from simgrant.errors import EcsError
from simgrant.nouns import Word


class OAuthError(Word):
    """Error codes of the token, backchannel, authorization and revocation endpoints."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    """RFC 8707 §2."""
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    """RFC 9449 §5."""
    INVALID_REQUEST_OBJECT = "invalid_request_object"
    """OpenID Connect Core §3.1.2.6."""
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    LOGIN_REQUIRED = "login_required"
    INTERACTION_REQUIRED = "interaction_required"
    UNKNOWN_USER_ID = "unknown_user_id"
    """CIBA §13."""
    AUTHORIZATION_PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a name
    ACCESS_DENIED = "access_denied"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


class OAuthRefused(EcsError):
    """A consumer is refused. ``error`` is all that it is told; ``reason`` is for the operator.

    ``status`` is for an error that one endpoint answers otherwise than the others.
    """

    for_device = "refused"

    def __init__(
        self, error: OAuthError, reason: str, *, for_operator: str = "", status: int | None = None
    ) -> None:
        super().__init__(reason, for_operator=for_operator)
        self.error = error
        self.status = status
