"""An authorization server made of `idpyoidc`; run by that library's own Python.

`python idpyoidc_as.py PORT CLIENTS` grants tokens to those clients of the file that have a
`public_key` (a JWK) and answers questions about them; `client_secret` is for who only asks.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from idpyoidc.server import Server  # type: ignore[import-not-found]
from idpyoidc.server.configure import ASConfiguration  # type: ignore[import-not-found]
from idpyoidc.server.exception import UnAuthorizedClient  # type: ignore[import-not-found]

SCOPE = "numbers.read"
_SERVER = "idpyoidc.server"
_WAYS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
_KEYS = [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]
_OF_CODES = [{"type": "oct", "bytes": 24, "use": ["enc"], "kid": "code"}]
_OF_SESSIONS = [
    {"type": "OCT", "use": ["enc"], "kid": "password"},
    {"type": "OCT", "use": ["enc"], "kid": "salt"},
]


def settings(issuer: str) -> dict[str, Any]:
    """Return the server's configuration."""
    introspection = {
        "client_authn_method": _WAYS,
        # It would tell a server of its own tokens only, and of the audience it knows no more.
        "enforce_audience_restriction": False,
    }
    rules = {"usage_rules": {"access_token": {"expires_in": 300}}, "expires_in": 3600}
    return {
        "issuer": issuer,
        "httpc_params": {"verify": False},
        "preference": {
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": [SCOPE],
        },
        "key_conf": {"key_defs": _KEYS},
        "token_handler_args": {
            "jwks_defs": {"key_defs": _OF_CODES},
            "token": {
                "class": f"{_SERVER}.token.jwt_token.JWTToken",
                "kwargs": {"lifetime": 300},
            },
        },
        "endpoint": {
            "token": {
                "path": "token",
                "class": f"{_SERVER}.oauth2.token.Token",
                "kwargs": {"client_authn_method": _WAYS},
            },
            "introspection": {
                "path": "introspect",
                "class": f"{_SERVER}.oauth2.introspection.Introspection",
                "kwargs": introspection,
            },
        },
        "authz": {"class": f"{_SERVER}.authz.AuthzHandling", "kwargs": {"grant_config": rules}},
        "session_params": {
            "encrypter": {"kwargs": {"keys": {"key_defs": _OF_SESSIONS}, "iterations": 1}}
        },
    }


class Issuer:
    """The server, and what stands between it and HTTP."""

    def __init__(self, issuer: str, clients: dict[str, dict[str, Any]]) -> None:
        self.issuer = issuer
        self._server = Server(ASConfiguration(conf=settings(issuer), base_path="."), cwd=".")
        context = self._server.context
        for name, client in clients.items():
            context.cdb[name] = {
                "client_id": name,
                "grant_types_supported": ["client_credentials"],
                "allowed_scopes": [SCOPE],
            }
            if "client_secret" in client:
                context.cdb[name]["client_secret"] = client["client_secret"]
                context.keyjar.add_symmetric(name, client["client_secret"])
            if "public_key" in client:
                context.keyjar.import_jwks({"keys": [client["public_key"]]}, name)

    def answer(self, method: str, path: str, headers: Any, body: str) -> tuple[int, str]:
        """Return status and body."""
        asked = urlsplit(path).path.strip("/")
        if asked == "jwks":
            return 200, json.dumps(self._server.context.keyjar.export_jwks())
        for endpoint in self._server.endpoint.values():
            if endpoint.endpoint_path.strip("/") == asked:
                break
        else:
            return 404, ""
        info = {
            "headers": {name.lower(): value for name, value in headers.items()},
            "method": method,
            "url": self.issuer + path,
        }
        form = {name: found[-1] for name, found in parse_qs(body).items()}
        try:
            parsed = endpoint.parse_request(form, http_info=info)
        except UnAuthorizedClient:
            return 401, '{"error": "invalid_client"}'
        if "error" in parsed:
            return 400, parsed.to_json()
        outcome = endpoint.process_request(parsed, http_info=info)
        if "error" in outcome:
            return 400, json.dumps({"error": str(outcome["error"])})
        said = endpoint.do_response(request=parsed, **outcome)["response"]
        return 200, said if isinstance(said, str) else json.dumps(said)


def main(port: int, clients: str) -> None:
    """Serve until the end."""
    issuer = Issuer(f"http://127.0.0.1:{port}", json.loads(Path(clients).read_text()))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve("")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers["content-length"])).decode())

        def _serve(self, body: str) -> None:
            status, said = issuer.answer(self.command, self.path, self.headers, body)
            data = said.encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
