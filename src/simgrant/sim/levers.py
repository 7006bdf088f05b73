"""What the management interfaces of simulated servers have in common: JSON in, JSON out."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from simgrant.sim.web import Answer, Request

S = TypeVar("S")

_JSON: Final = (("content-type", "application/json"),)
_TEXT: Final = (("content-type", "text/plain; charset=utf-8"),)


def is_json(request: Request) -> bool:
    """Tell whether it says that it is JSON.

    A page in a browser can send a form to loopback, but not this.
    """
    return request.headers.get("content-type", "").partition(";")[0] == "application/json"


def read(request: Request, kind: type[S]) -> S:
    """Return the content of a request; ValueError."""
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def json_of(content: object) -> Answer:
    """Return 200 with JSON."""
    return Answer(200, _JSON, msgspec.json.encode(content) + b"\n")


def refused(error: Exception) -> Answer:
    """Return 400 with what cannot be done."""
    return Answer(400, _TEXT, f"{error}\n".encode())
