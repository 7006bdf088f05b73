"""Get an access token of an operator for CAMARA's APIs, and print it.

    python access_token.py ISSUER CLIENT_ID KEY.pem SCOPE [SUBJECT]

Without SUBJECT the token is about nobody, and each question names a number. SUBJECT is
`operatortoken:…`, with the temporary token that a phone lent to your app. Needs pyjwt[crypto].
"""

import json
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import jwt

PURPOSE = "dpv:FraudPreventionAndDetection"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
BY_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def access_token(issuer: str, client_id: str, key: str, scope: str, subject: str = "") -> str:
    """Return an access token; raise urllib.error.HTTPError where the operator refuses."""
    with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration") as answer:
        endpoint = json.load(answer)["token_endpoint"]
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": subject or client_id,
        "aud": issuer,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_urlsafe(16),  # another one each time: none is taken twice
    }
    scopes = f"{PURPOSE} {scope}"
    if subject:
        assertion = jwt.encode(claims | {"scope": scopes}, key, algorithm="ES256")
        form = {"grant_type": JWT_BEARER, "assertion": assertion}
    else:
        form = {
            "grant_type": "client_credentials",
            "scope": scopes,
            "client_assertion_type": BY_ASSERTION,
            "client_assertion": jwt.encode(claims, key, algorithm="ES256"),
        }
    with urllib.request.urlopen(endpoint, urllib.parse.urlencode(form).encode()) as answer:
        return str(json.load(answer)["access_token"])


if __name__ == "__main__":
    issuer, client_id, key_file, *asked = sys.argv[1:]
    try:
        print(access_token(issuer, client_id, Path(key_file).read_text(), *asked))
    except urllib.error.HTTPError as refused:
        sys.exit(f"{refused.code} {refused.read().decode()}")
