"""The client library of `ts43-test-ecs` against a server; run by that library's own Python.

`python ts43_client.py URL` reads one JSON object of wishes from standard input and prints one of
findings. It is no test by itself: the tests say what to wish for and what to find.
"""

import asyncio
import json
import sys
from typing import Any

import httpx  # type: ignore[import-not-found]
from ts43ecs.tools.ecs_client.client import (  # type: ignore[import-not-found]
    EcsClient,
    EcsClientError,
    EcsHttpStatusError,
)

_DEADLINE = 20.0


async def run(url: str, wish: dict[str, Any]) -> dict[str, Any]:
    """Authenticate or use a token, as wished, and say what came of it."""
    async with httpx.AsyncClient(base_url=url, timeout=_DEADLINE) as http:
        client = EcsClient(client=http)
        call = client.fetch_entitlement if wish.pop("fast", False) else client.authenticate
        try:
            answer = await call(**wish)
        except EcsHttpStatusError as error:
            return {"status": error.status_code, "body": error.content.decode()}
        except EcsClientError as error:
            return {"error": str(error)}
        document = answer.document
        return {
            "status": answer.status_code,
            "content_type": answer.headers.get("content-type"),
            "vers": document and document.vers,
            "validity": document and document.validity,
            "token": document and document.token,
            "token_validity": document and document.token_validity,
            "applications": document and document.applications,
        }


if __name__ == "__main__":
    found = asyncio.run(asyncio.wait_for(run(sys.argv[1], json.load(sys.stdin)), _DEADLINE))
    print(json.dumps(found))
