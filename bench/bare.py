"""The bare server that every figure is put beside: uvicorn, a query parsed, 1 KB sent."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

_DOCUMENT = b'<?xml version="1.0"?><!-- EntitlementStatus -->'
BODY = _DOCUMENT + b" " * (1024 - len(_DOCUMENT))
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/vnd.wap.connectivity-xml"),
        (b"content-length", b"%d" % len(BODY)),
    ],
}
_BODY = {"type": "http.response.body", "body": BODY}


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer any request."""
    parse_qsl(scope["query_string"].decode())
    await send(_START)
    await send(_BODY)


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=arguments.port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=30,
        backlog=2048,
        ssl_certfile=arguments.certificate,
        ssl_keyfile=arguments.key,
    )


if __name__ == "__main__":
    main()
