"""An OpenID provider made of `idpyoidc`; run by that library's own Python.

`python idpyoidc_op.py PORT REDIRECT_URI SECRET NUMBER` signs everybody in as the one person it
knows. `GET /rotate` makes it sign with new keys and publish the old ones no more.
"""

import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptojwt.key_jar import build_keyjar  # type: ignore[import-not-found]
from idpyoidc.server import Server  # type: ignore[import-not-found]
from idpyoidc.server.configure import OPConfiguration  # type: ignore[import-not-found]
from idpyoidc.server.exception import UnAuthorizedClient  # type: ignore[import-not-found]

CLIENT = "simgrant"
KEYS = [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]
_SERVER = "idpyoidc.server"
_OF_COOKIES = [
    {"type": "OCT", "use": ["enc"], "kid": "enc"},
    {"type": "OCT", "use": ["sig"], "kid": "sig"},
]
_OF_SESSIONS = [
    {"type": "OCT", "use": ["enc"], "kid": "password"},
    {"type": "OCT", "use": ["enc"], "kid": "salt"},
]


def settings(issuer: str, number: str) -> dict[str, Any]:
    """Return the provider's configuration."""

    def endpoint(path: str, module: str, name: str, **more: Any) -> dict[str, Any]:
        return {"path": path, "class": f"{_SERVER}.oidc.{module}.{name}", "kwargs": more}

    return {
        "issuer": issuer,
        "httpc_params": {"verify": False},
        "preference": {
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid", "phone"],
        },
        "key_conf": {"key_defs": KEYS},
        "token_handler_args": {
            "jwks_defs": {
                "key_defs": [{"type": "oct", "bytes": 24, "use": ["enc"], "kid": "code"}]
            },
            "code": {"lifetime": 60, "kwargs": {"password": secrets.token_hex(16)}},
            "token": {
                "class": f"{_SERVER}.token.jwt_token.JWTToken",
                "kwargs": {"lifetime": 300},
            },
            "id_token": {
                "class": f"{_SERVER}.token.id_token.IDToken",
                "kwargs": {"lifetime": 300},
            },
        },
        "endpoint": {
            "provider_config": endpoint(
                ".well-known/openid-configuration", "provider_config", "ProviderConfiguration"
            ),
            "authorization": endpoint("authorization", "authorization", "Authorization"),
            "token": endpoint(
                "token",
                "token",
                "Token",
                client_authn_method=["client_secret_basic", "client_secret_post"],
            ),
            "userinfo": endpoint("userinfo", "userinfo", "UserInfo"),
        },
        "userinfo": {
            "class": f"{_SERVER}.user_info.UserInfo",
            "kwargs": {"db": {"person": {"phone_number": number, "phone_number_verified": True}}},
        },
        "authentication": {
            "anon": {
                "acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:InternetProtocolPassword",
                "class": f"{_SERVER}.user_authn.user.NoAuthn",
                "kwargs": {"user": "person"},
            }
        },
        "add_ons": {
            "pkce": {
                "function": f"{_SERVER}.oauth2.add_on.pkce.add_support",
                "kwargs": {"essential": True, "code_challenge_methods": {"S256": None}},
            }
        },
        "session_params": {
            "encrypter": {"kwargs": {"keys": {"key_defs": _OF_SESSIONS}, "iterations": 1}}
        },
        "cookie_handler": {
            "class": f"{_SERVER}.cookie_handler.CookieHandler",
            "kwargs": {"keys": {"key_defs": _OF_COOKIES}, "name": {"session": "op"}},
        },
    }


class Provider:
    """The provider, and what stands between it and HTTP."""

    def __init__(self, issuer: str, redirect_uri: str, secret: str, number: str) -> None:
        self.issuer = issuer
        config = OPConfiguration(conf=settings(issuer, number), base_path=".")
        self._server = Server(config, cwd=".")
        context = self._server.context
        context.provider_info["jwks_uri"] = f"{issuer}/jwks"
        context.cdb[CLIENT] = {
            "client_id": CLIENT,
            "client_secret": secret,
            "redirect_uris": [(redirect_uri, {})],
            "response_types_supported": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "allowed_scopes": ["openid", "phone"],
            "id_token_signed_response_alg": "ES256",
        }
        context.keyjar.add_symmetric(CLIENT, secret)

    def rotate(self) -> None:
        """Forget all signing keys and make others."""
        keyjar, fresh = self._server.context.keyjar, build_keyjar(KEYS)
        for owner in {"", self.issuer} & set(keyjar.owners()):
            del keyjar[owner]
            keyjar.import_jwks(fresh.export_jwks(private=True), owner)

    def answer(self, method: str, path: str, headers: Any, body: str) -> tuple[int, str, str]:
        """Return status, body and Location."""
        parts = urlsplit(path)
        if parts.path == "/rotate":
            self.rotate()
            return 200, "{}", ""
        if parts.path == "/jwks":
            return 200, json.dumps(self._server.context.keyjar.export_jwks()), ""
        for endpoint in self._server.endpoint.values():
            if endpoint.endpoint_path.strip("/") == parts.path.strip("/"):
                break
        else:
            return 404, "", ""
        given = body or {name: found[-1] for name, found in parse_qs(parts.query).items()}
        info = {
            "headers": {name.lower(): value for name, value in headers.items()},
            "method": method,
            "url": self.issuer + path,
        }
        try:
            parsed = endpoint.parse_request(given, http_info=info)
        except UnAuthorizedClient:
            return 401, '{"error": "invalid_client"}', ""
        if "error" in parsed:
            return 400, parsed.to_json(), ""
        outcome = endpoint.process_request(parsed, http_info=info)
        if "error" in outcome:
            return 400, json.dumps({"error": str(outcome["error"])}), ""
        said = endpoint.do_response(request=parsed, **outcome)["response"]
        if endpoint.name == "authorization":
            return 302, "", said
        return 200, said if isinstance(said, str) else json.dumps(said), ""


def main(port: int, redirect_uri: str, secret: str, number: str) -> None:
    """Serve until the end."""
    provider = Provider(f"http://127.0.0.1:{port}", redirect_uri, secret, number)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve("")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers["content-length"])).decode())

        def _serve(self, body: str) -> None:
            status, said, where = provider.answer(self.command, self.path, self.headers, body)
            data = said.encode()
            self.send_response(status)
            if where:
                self.send_header("location", where)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
