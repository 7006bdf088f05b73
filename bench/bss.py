"""The BSS of the bench: tells of whoever is asked about that he has a plan, and costs little."""

from __future__ import annotations

import argparse
import asyncio
from typing import Final, cast

import uvloop

_PATH: Final = b"GET /lines/"
_TOLD: Final = b'{"imsi":"%b","state":"A","plan":"STD","tos":true}'


class _Connection(asyncio.Protocol):
    """Answers requests without a body, which is all that come here."""

    def __init__(self) -> None:
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where the answers go."""
        # uvloop's is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        *heads, self._came = (self._came + data).split(b"\r\n\r\n")
        for head in heads:
            if head.startswith(_PATH):
                imsi = head[len(_PATH) :].partition(b" ")[0]
                body, status = _TOLD % imsi, b"200 OK"
            else:
                body, status = b"", b"404 Not Found"
            self._transport.write(
                b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (status, len(body), body)
            )


async def _play(port: int) -> None:
    """Be the BSS until the process is ended."""
    await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    await asyncio.Event().wait()


def main() -> None:
    """Play until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(_play(parser.parse_args().port))


if __name__ == "__main__":
    main()
