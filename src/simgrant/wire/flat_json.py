"""One strict, bounded reading of a JSON object from a stranger: its members in order.

The standard library's reader takes NaN, repeated names, half surrogates and integers of any
length; a body that means different things to two readers must not get past this one.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn

from simgrant.errors import BadRequest

_LONGEST_NUMBER: Final = 20


class Members(list[tuple[str, object]]):
    """The members of one object, repeated names included; tells an object from an array."""


def pull_object(body: bytes) -> Members:
    """Return the members of the one JSON object in ``body``, names as they came.

    Strings and numbers are ``str`` (a number is kept as it was written), a nested object is a
    list of pairs. Anything else than one object in strict UTF-8 is a `BadRequest`.
    """
    try:
        found = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise BadRequest("body_not_utf8") from None
    except RecursionError:
        raise BadRequest("body_too_deep") from None
    except ValueError:
        raise BadRequest("body_not_json") from None
    if not isinstance(found, Members):
        raise BadRequest("body_not_object")
    return found


def _number(text: str) -> str:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError
    return text


def _refuse(_: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity, which are not JSON."""
    raise ValueError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=_number, parse_float=_number, parse_constant=_refuse
)
