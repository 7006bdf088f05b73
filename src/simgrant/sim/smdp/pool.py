"""The profiles of a simulated SM-DP+ and what may be done with each (SGP.22 §3.1, §5.3).

The pool is changed by whole calls. What a call changed, and what was answered, is one line of the
books, written before the answer leaves: whoever is killed comes back knowing both.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TextIO

from simgrant.identities import Eid, Iccid
from simgrant.wire.es2plus import (
    DONE,
    Answer,
    CancelOrder,
    ConfirmOrder,
    DownloadOrder,
    FinalStatus,
    Outcome,
    ReleaseProfile,
    Request,
    Status,
)

_ISSUER: Final = "8999901"
"""``89``, then a country and an issuer that are nobody's."""
_DIGITS: Final = 18
"""Of an ICCID before its check digit."""


class State(StrEnum):
    """How far a profile is."""

    AVAILABLE = "Available"
    ALLOCATED = "Allocated"
    LINKED = "Linked"
    CONFIRMED = "Confirmed"
    RELEASED = "Released"
    DOWNLOADED = "Downloaded"
    INSTALLED = "Installed"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    DELETED = "Deleted"
    UNAVAILABLE = "Unavailable"


_RESERVED: Final = frozenset({State.ALLOCATED, State.LINKED})
_CANCELLABLE: Final = _RESERVED | {State.CONFIRMED, State.RELEASED}
_ON_EUICC: Final = frozenset({State.INSTALLED, State.ENABLED, State.DISABLED})
_NEXT: Final = {
    State.DOWNLOADED: frozenset({State.RELEASED}),
    State.INSTALLED: frozenset({State.DOWNLOADED, State.RELEASED}),
    State.ENABLED: _ON_EUICC,
    State.DISABLED: _ON_EUICC,
    State.DELETED: _ON_EUICC,
}
"""What an eUICC can bring a profile to, and from where."""


@dataclass(slots=True)
class Profile:
    """A profile, as the books have it."""

    iccid: str
    profile_type: str
    state: State = State.AVAILABLE
    eid: str = ""
    matching_id: str = ""
    confirmation_code: str = ""

    def free(self, state: State) -> None:
        """Forget whose it was."""
        self.state = state
        self.eid = self.matching_id = self.confirmation_code = ""


class Refusal(Exception):
    """It is not done; subject and reason say why (SGP.22 §5.2.6)."""

    def __init__(self, subject: str, reason: str, message: str = "") -> None:
        super().__init__(message)
        self.status = Status(Outcome.FAILED, subject, reason, message)


@dataclass(slots=True)
class Call:
    """A call that was executed, and its answer, for who repeats it."""

    function: str
    answer: dict[str, Any]


class Pool:
    """Every profile of one SM-DP+, by ICCID."""

    def __init__(self, *, address: str, books: Path | None = None) -> None:
        """``address`` is what activation codes name. Raises OSError, and ValueError for books
        that are none."""
        self.address = address
        self.profiles: dict[str, Profile] = {}
        self._calls: dict[str, Call] = {}
        self._books: TextIO | None = None
        if books is not None:
            self._read(books)
            self._books = books.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the books."""
        if self._books is not None:
            self._books.close()

    def add(self, profile_type: str, count: int) -> list[str]:
        """Put new profiles into the stock and return their ICCIDs."""
        first = len(self.profiles)
        made = [Profile(_iccid(first + each), profile_type) for each in range(count)]
        self._write(made)
        return [each.iccid for each in made]

    def stock(self) -> dict[str, dict[str, int]]:
        """Return by profile type how many are in which state."""
        counts = Counter((each.profile_type, each.state) for each in self.profiles.values())
        found: dict[str, dict[str, int]] = {}
        for (profile_type, state), count in sorted(counts.items()):
            found.setdefault(profile_type, {})[state.value] = count
        return found

    def remembered(self, function: str, call_id: str) -> Answer | None:
        """Return what a call was answered that came before, with this identifier."""
        call = self._calls.get(call_id)
        if call is None or call.function != function:
            return None
        kept = call.answer
        return Answer(
            status=DONE,
            iccid=Iccid(kept["iccid"]) if kept.get("iccid") else None,
            matching_id=kept.get("matching_id"),
            eid=Eid(kept["eid"]) if kept.get("eid") else None,
            smdp_address=kept.get("smdp_address", ""),
        )

    def execute(
        self, function: str, call_id: str, request: Request, *, again: Profile | None = None
    ) -> Answer:
        """Do what is asked, write it down, and return the answer; raise `Refusal`.

        ``again`` is a profile to hand out though it is somebody's.
        """
        match request:
            case DownloadOrder():
                profile, answer = self._download(request, again)
            case ConfirmOrder():
                profile, answer = self._confirm(request)
            case CancelOrder():
                profile, answer = self._cancel(request)
            case ReleaseProfile():
                profile, answer = self._release(request)
            case _:
                raise Refusal("1.2", "1.2", "not a function of an SM-DP+")
        kept = {
            "iccid": answer.iccid.digits if answer.iccid else "",
            "matching_id": answer.matching_id,
            "eid": answer.eid.digits if answer.eid else "",
            "smdp_address": answer.smdp_address,
        }
        self._write([profile], call_id, Call(function, kept))
        return answer

    def advance(self, iccid: str, state: State) -> Profile:
        """Bring a profile to where an eUICC brings it; raise ValueError where that cannot be."""
        profile = self.profiles.get(iccid)
        if profile is None:
            raise ValueError("no such profile")
        if profile.state not in _NEXT.get(state, ()):
            raise ValueError(f"a profile that is {profile.state} cannot become {state}")
        profile.state = state
        self._write([profile])
        return profile

    def taken(self) -> Iterator[Profile]:
        """Yield the profiles that are somebody's."""
        return (each for each in self.profiles.values() if each.state in _CANCELLABLE)

    # --- the four functions ---------------------------------------------------------

    def _download(self, order: DownloadOrder, again: Profile | None) -> tuple[Profile, Answer]:
        if again is not None:
            return again, Answer(status=DONE, iccid=Iccid(again.iccid))
        if order.iccid is not None:
            profile = self._known(order.iccid)
            if order.profile_type and profile.profile_type != order.profile_type:
                raise Refusal("8.2.5", "3.10", "the profile is of another type")
            if profile.state is not State.AVAILABLE:
                raise Refusal("8.2.1", "3.3", "the profile is ordered already")
        else:
            profile = self._any(order.profile_type)
        profile.state = State.LINKED if order.eid else State.ALLOCATED
        profile.eid = order.eid.digits if order.eid else ""
        return profile, Answer(status=DONE, iccid=Iccid(profile.iccid))

    def _any(self, profile_type: str) -> Profile:
        if not profile_type:
            raise Refusal("8.2.5", "2.2", "neither ICCID nor profile type")
        of_type = [each for each in self.profiles.values() if each.profile_type == profile_type]
        if not of_type:
            raise Refusal("8.2.5", "3.9", "unknown profile type")
        for each in of_type:
            if each.state is State.AVAILABLE:
                return each
        raise Refusal("8.2.5", "3.7", "no profile of this type is left")

    def _confirm(self, order: ConfirmOrder) -> tuple[Profile, Answer]:
        profile = self._known(order.iccid)
        if profile.state not in _RESERVED:
            raise Refusal("8.2.1", "3.3", f"the profile is {profile.state}")
        if order.eid is not None and profile.eid not in ("", order.eid.digits):
            raise Refusal("8.1.1", "3.10", "the profile is of another eUICC")
        matching_id = order.matching_id
        if matching_id is None:
            matching_id = "-".join(secrets.token_hex(2).upper() for _ in range(4))
        if matching_id and any(
            each.matching_id == matching_id and each is not profile for each in self.taken()
        ):
            raise Refusal("8.2.6", "3.3", "the matching id is taken")
        if not (matching_id or order.eid or profile.eid):
            raise Refusal("8.1.1", "2.2", "no matching id, and no EID")
        profile.eid = order.eid.digits if order.eid else profile.eid
        profile.matching_id = matching_id
        profile.confirmation_code = order.confirmation_code
        profile.state = State.RELEASED if order.release else State.CONFIRMED
        return profile, Answer(
            status=DONE,
            matching_id=matching_id,
            eid=Eid(profile.eid) if profile.eid else None,
            smdp_address=self.address,
        )

    def _cancel(self, order: CancelOrder) -> tuple[Profile, Answer]:
        profile = self._known(order.iccid)
        # One that its eUICC deleted may be given back, and then ordered for another.
        if profile.state not in _CANCELLABLE | {State.DELETED}:
            raise Refusal("8.2.1", "3.5", f"the profile is {profile.state}")
        if order.eid is not None and profile.eid not in ("", order.eid.digits):
            raise Refusal("8.1.1", "3.10", "the profile is of another eUICC")
        if order.matching_id and profile.matching_id not in ("", order.matching_id):
            raise Refusal("8.2.6", "3.10", "the profile has another matching id")
        available = order.final is FinalStatus.AVAILABLE
        profile.free(State.AVAILABLE if available else State.UNAVAILABLE)
        return profile, Answer(status=DONE)

    def _release(self, order: ReleaseProfile) -> tuple[Profile, Answer]:
        profile = self._known(order.iccid)
        if profile.state is not State.CONFIRMED:
            raise Refusal("8.2.1", "3.5", f"the profile is {profile.state}")
        profile.state = State.RELEASED
        return profile, Answer(status=DONE)

    def _known(self, iccid: Iccid) -> Profile:
        profile = self.profiles.get(iccid.digits)
        if profile is None:
            raise Refusal("8.2.1", "3.9", "unknown ICCID")
        return profile

    # --- the books --------------------------------------------------------------------

    def _write(self, changed: list[Profile], call_id: str = "", call: Call | None = None) -> None:
        for each in changed:
            self.profiles[each.iccid] = each
        if call is not None:
            self._calls[call_id] = call
        if self._books is not None:
            line: dict[str, Any] = {"profiles": [asdict(each) for each in changed]}
            if call is not None:
                line |= {"call_id": call_id, "call": asdict(call)}
            self._books.write(json.dumps(line) + "\n")
            self._books.flush()

    def _read(self, books: Path) -> None:
        if not books.exists():
            return
        whole, newline, _ = books.read_text("utf-8").rpartition("\n")
        for line in whole.splitlines():
            try:
                found = json.loads(line)
                for each in found["profiles"]:
                    profile = Profile(**{**each, "state": State(each["state"])})
                    self.profiles[profile.iccid] = profile
                if "call" in found:
                    self._calls[found["call_id"]] = Call(**found["call"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{books}: not the books of a simulated SM-DP+") from None
        # Who was killed in the middle of a line had not answered yet: it was not done.
        books.write_text(whole + newline, "utf-8")


def _iccid(number: int) -> str:
    """Return the ICCID of a profile by its number, with its check digit (ITU-T E.118)."""
    body = f"{_ISSUER}{number:0{_DIGITS - len(_ISSUER)}}"
    doubled = (
        sum(divmod(int(digit) * 2, 10)) if at % 2 == 0 else int(digit)
        for at, digit in enumerate(reversed(body))
    )
    return body + str(-sum(doubled) % 10)
