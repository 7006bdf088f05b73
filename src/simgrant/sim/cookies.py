"""Which cookies a handset sends back, and how it writes them (AOSP; RFC 6265)."""

from __future__ import annotations

from typing import Final

from simgrant.sim.faults import Fault
from simgrant.sim.http import Headers
from simgrant.sim.profiles import CookieRule

_VERSION_ONE: Final = frozenset({"max-age", "version"})
"""With one of these, Java takes the cookie for RFC 2965's and quotes its value."""


class CookieJar:
    """The cookies of one authentication."""

    def __init__(self, rule: CookieRule, *, fault: Fault | None = None) -> None:
        self._rule = rule
        self._fault = fault
        self._values: dict[str, str] = {}
        self._full = False
        self._parts: list[str] = []
        """All that the newest Set-Cookie lines say, for the client that sends all of it."""

    def absorb(self, headers: Headers) -> None:
        """Take the cookies of an answer; Android does so with the first challenge only."""
        if self._full and self._rule is CookieRule.ANDROID:
            return
        self._full = True
        lines = [line for name, line in headers if name.lower() == "set-cookie"]
        if lines:
            self._parts = [part.strip() for line in lines for part in line.split(";")]
        for line in lines:
            self._take(line)

    def lines(self) -> Headers:
        """Return the `Cookie` lines of a request."""
        if self._fault is Fault.NO_COOKIE:
            return ()
        if self._rule is CookieRule.SAMSUNG:
            said = [self._spoilt_part(part) for part in self._parts]
            return (("Cookie", "; ".join(said)),) if said else ()
        pairs = [f"{name}={self._spoilt(value)}" for name, value in self._values.items()]
        if self._rule is CookieRule.RFC:
            return (("Cookie", "; ".join(pairs)),) if pairs else ()
        return tuple(("Cookie", pair) for pair in pairs)

    def _take(self, line: str) -> None:
        pair, *attributes = line.split(";")
        name, equals, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name:
            return
        told = {part.partition("=")[0].strip().lower(): part for part in attributes}
        if self._rule is CookieRule.RFC:
            age = told.get("max-age", "=1").partition("=")[2].strip()
            if age.startswith("-") or age == "0":
                self._values.pop(name, None)
                return
        elif _VERSION_ONE.intersection(told):
            value = f'"{value.strip(chr(34))}"'
        self._values[name] = value

    def _spoilt_part(self, part: str) -> str:
        name, equals, value = part.partition("=")
        return f"{name}={self._spoilt(value)}" if equals and name in self._values else part

    def _spoilt(self, value: str) -> str:
        """Flip one bit in the middle, where no padding bits are; the result stays sendable."""
        if self._fault is not Fault.COOKIE_BIT:
            return value
        for at in range(len(value) // 2, len(value)):
            other = chr(ord(value[at]) ^ 1)
            if value[at].isalnum() and other.isalnum() and other.isascii():
                return value[:at] + other + value[at + 1 :]
        return value
