"""Imsi, Msisdn, Imei, Iccid and Eid: checked when made, masked whenever shown.

A log line, an error text or a debugger therefore never shows one by accident:
``str()``, ``repr()`` and f-strings all give the masked form, and the digits are
had only by asking for ``.digits``.
"""

from __future__ import annotations

from typing import ClassVar


def luhn(digits: str) -> bool:
    """Return whether the last of these digits is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


class InvalidIdentity(ValueError):
    """The text is no such identity; the message never repeats the text."""


class _Digits:
    """A string of decimal digits of bounded length."""

    __slots__ = ("digits",)
    digits: str
    _least: ClassVar[int]
    _most: ClassVar[int]
    _shown: ClassVar[int] = 5

    def __init__(self, digits: str) -> None:
        if not (self._least <= len(digits) <= self._most and digits.isascii() and digits.isdigit()):
            raise InvalidIdentity(
                f"{type(self).__name__} must have {self._least} to {self._most} digits"
            )
        self.digits = digits

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.masked})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.digits == self.digits

    def __hash__(self) -> int:
        return hash(self.digits)

    @property
    def masked(self) -> str:
        """The first digits and the length, for people: ``00101…(15)``."""
        return f"{self.digits[: self._shown]}…({len(self.digits)})"


class Imsi(_Digits):
    """International mobile subscriber identity, 6 to 15 digits (TS 23.003 §2.2)."""

    __slots__ = ()
    _least, _most = 6, 15


class Msisdn(_Digits):
    """A telephone number in E.164 form; made with or without ``+``, kept without it."""

    __slots__ = ()
    _least, _most = 5, 15
    _shown = 2

    def __init__(self, number: str) -> None:
        super().__init__(number.removeprefix("+"))

    @property
    def e164(self) -> str:
        """The number with its leading ``+``."""
        return "+" + self.digits


class Imei(_Digits):
    """International mobile equipment identity, 14 to 16 digits (TS 23.003 §6)."""

    __slots__ = ()
    _least, _most = 14, 16
    _shown = 8

    @property
    def tac(self) -> str:
        """The type allocation code: the first 8 digits, which name the model."""
        return self.digits[:8]

    @property
    def is_sound(self) -> bool:
        """Whether the check digit fits, where there is one: an IMEI of 15 digits has it.

        Devices may send 0 in its place (TS 23.003 §6.2.1).
        """
        return len(self.digits) != 15 or self.digits[-1] == "0" or luhn(self.digits)

    @classmethod
    def tac_of(cls, terminal_id: str) -> str:
        """Return the TAC of a terminal_id; empty where it is a UUID or nonsense."""
        if not (cls._least <= len(terminal_id) <= cls._most and terminal_id.isdecimal()):
            return ""
        return terminal_id[:8] if terminal_id.isascii() else ""


class Iccid(_Digits):
    """Integrated circuit card identity, 18 to 20 digits (ITU-T E.118)."""

    __slots__ = ()
    _least, _most = 18, 20

    @property
    def is_sound(self) -> bool:
        """Whether the check digit fits; cards that operators sell fail this now and then."""
        return luhn(self.digits)


class Eid(_Digits):
    """eUICC identity, 32 digits (SGP.29)."""

    __slots__ = ()
    _least, _most = 32, 32

    @property
    def is_sound(self) -> bool:
        """Whether the check digits fit (SGP.29; ISO/IEC 7064, MOD 97-10)."""
        return int(self.digits) % 97 == 1
