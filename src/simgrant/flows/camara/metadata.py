"""What an authorization server says of itself (OpenID Connect Discovery §3, RFC 8414 §2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simgrant.domain.camara.consumer import GrantType
from simgrant.flows.camara import request as paths
from simgrant.wire import dpop
from simgrant.wire.jwt import SIGNED


def metadata(
    issuer: str, scopes: Iterable[str], *, with_codes: bool, with_certificates: bool
) -> dict[str, Any]:
    """Return the document of an issuer.

    ``with_codes`` where subscribers are known by their connections, ``with_certificates`` where
    access tokens can be bound to those of connections.
    """
    grants = [GrantType.JWT_BEARER, GrantType.CIBA, GrantType.CLIENT_CREDENTIALS]
    found: dict[str, Any] = {
        "issuer": issuer,
        "token_endpoint": issuer + paths.TOKEN,
        "backchannel_authentication_endpoint": issuer + paths.BACKCHANNEL,
        "introspection_endpoint": issuer + paths.INTROSPECT,
        "revocation_endpoint": issuer + paths.REVOKE,
        "jwks_uri": issuer + paths.KEYS,
        "scopes_supported": ["openid", *sorted(scopes)],
        # Without codes it has to be named all the same (OpenID Connect Discovery §3).
        "authorization_endpoint": issuer + paths.AUTHORIZE,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none"],
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(SIGNED),
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_signing_alg_values_supported": list(SIGNED),
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_authentication_request_signing_alg_values_supported": list(SIGNED),
        "backchannel_user_code_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": with_certificates,
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "amr", "nonce"],
    }
    for endpoint in ("token", "introspection", "revocation"):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = [
            "private_key_jwt",
            "client_secret_basic",
        ]
    if with_codes:
        grants.append(GrantType.AUTHORIZATION_CODE)
    found["grant_types_supported"] = [each.value for each in grants]
    return found
