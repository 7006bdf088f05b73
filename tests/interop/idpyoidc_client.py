"""A consumer made of `idpyoidc`; run by that library's own Python.

It reads what to do as JSON and prints what it got, as JSON.
"""

import json
import secrets
import sys
import time
from contextlib import suppress
from typing import Any

from cryptojwt.key_jar import KeyJar  # type: ignore[import-not-found]
from idpyoidc.client.exception import ResponseError  # type: ignore[import-not-found]
from idpyoidc.client.oauth2 import Client  # type: ignore[import-not-found]
from idpyoidc.client.oauth2.add_on import dpop  # type: ignore[import-not-found]
from idpyoidc.message.oidc.backchannel_authentication import (  # type: ignore[import-not-found]
    AuthenticationRequestJWT,
    TokenRequest,
)

_OAUTH = "idpyoidc.client.oauth2"
_SERVICES = {
    "server_metadata": f"{_OAUTH}.server_metadata.ServerMetadata",
    "credentials": f"{_OAUTH}.client_credentials.CCAccessTokenRequest",
    "introspection": f"{_OAUTH}.introspection.Introspection",
    "revocation": f"{_OAUTH}.token_revocation.TokenRevocation",
    "backchannel": "idpyoidc.client.oidc.backchannel_authentication.BackChannelAuthentication",
    "accesstoken": f"{_OAUTH}.access_token.AccessToken",
}
# Its assertions live for ten minutes unless it is told otherwise, which is more than the profile
# has, and are signed by RS256.
_PROOF = {"authn_method": "private_key_jwt", "lifetime": 120, "algorithm": "ES256"}


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Do what is to be done, and return what came of it."""
    keys = KeyJar()
    for owner in ("", task["client_id"]):
        keys.import_jwks({"keys": [task["key"]]}, owner)
    client = Client(
        config={
            "issuer": task["issuer"],
            "client_id": task["client_id"],
            "redirect_uris": ["https://bank.example/back"],
            "base_url": "https://bank.example",
            "client_authn_methods": ["private_key_jwt"],
        },
        keyjar=keys,
        services={name: {"class": kind} for name, kind in _SERVICES.items()},
        client_type="oauth2",
        httpc_params={"timeout": 10},
    )
    client.context.issuer = task["issuer"]
    client.context.set_usage("token_endpoint_auth_method", "private_key_jwt")
    client.context.set_usage("token_endpoint_auth_signing_alg", "ES256")

    def ask(service: str, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.do_request(
            service, request_args=arguments, **_PROOF
        ).to_dict()
        return found

    told = {"metadata": client.do_request("server_metadata").to_dict()}
    told["credentials"] = ask("client_credentials", scope=task["two_legs"])
    token = told["credentials"]["access_token"]
    told["active"] = ask("introspection", token=token)
    with suppress(ResponseError):  # Of an answer with nothing in it, which RFC 7009 §2.2 has.
        ask("token_revocation", token=token)
    told["revoked"] = ask("introspection", token=token)
    told["refused"] = ask("client_credentials", scope="nothing")
    # It knows this endpoint by GET, and not what is asked of the token endpoint then.
    client.get_service("backchannel_authentication").http_method = "POST"
    told["backchannel"] = ask(
        "backchannel_authentication", scope=task["scope"].split(), login_hint=task["login_hint"]
    )
    tokens = client.get_service("accesstoken")
    tokens.msg_type, tokens.pre_construct, tokens.post_construct = TokenRequest, [], []
    told["ciba"] = ask(
        "accesstoken",
        grant_type="urn:openid:params:grant-type:ciba",
        auth_req_id=told["backchannel"]["auth_req_id"],
    )
    # Signed as a whole, with what its own message demands of such a one.
    now = int(time.time())
    inside = AuthenticationRequestJWT(
        iss=task["client_id"],
        aud=[task["issuer"]],
        iat=now,
        nbf=now,
        exp=now + 120,
        jti=secrets.token_urlsafe(16),
        scope=task["scope"].split(),
        login_hint=task["other_hint"],
    )
    inside.verify(issuer=task["issuer"], client_id=task["client_id"])
    signed = inside.to_jwt(keys.get_signing_key("EC", task["client_id"]), "ES256")
    # The scope that it says of itself otherwise would be beside it.
    client.get_service("backchannel_authentication").default_request_args = {}
    told["signed"] = ask("backchannel_authentication", request=signed)
    told["signed_ciba"] = ask(
        "accesstoken",
        grant_type="urn:openid:params:grant-type:ciba",
        auth_req_id=told["signed"]["auth_req_id"],
    )
    dpop.add_support(client.get_services(), ["ES256"], with_dpop_header=["client_credentials"])
    told["dpop"] = ask("client_credentials", scope=task["two_legs"])
    told["bound"] = ask("introspection", token=told["dpop"]["access_token"])
    key = client.context.add_on["dpop"]["key"]
    told["thumbprint"] = key.thumbprint("SHA-256").decode()
    return told


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
