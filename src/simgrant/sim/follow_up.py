"""What a handset does once it has its answer: opens the pages in it, and waits for notices.

Both go on to ask again as phones do, and both are told as they happen, event by event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from simgrant.nouns import noun
from simgrant.sim.difference import Change, changes
from simgrant.sim.exchange import Outcome, Result
from simgrant.sim.forms import Form, form_of
from simgrant.sim.handset import Handset
from simgrant.sim.http import HttpError
from simgrant.sim.profiles import WebRule
from simgrant.sim.receiver import Notice, Receiver
from simgrant.sim.transcript import value_name
from simgrant.sim.web_view import Opening, Page, Visit, WebView, opening, pages_of
from simgrant.spec.ids import AppId, RegisterNotifStatus
from simgrant.wire.document import Application, Document, Parm
from simgrant.wire.push_token import Channel

RECHECKS: Final = 6
"""Further requests of Android's IMS app while data are missing after its page was finished."""
RECHECK_S: Final = 5.0
_MOST_FORMS: Final = 10
_KEPT: Final = frozenset(
    str(int(status))
    for status in (RegisterNotifStatus.SUCCESS, RegisterNotifStatus.DUPLICATE_TOKEN)
)


class WebEnd(StrEnum):
    """What the person does with a page."""

    LOOK = "look"
    """Nothing; it is opened to be seen."""
    FINISH = "finish"
    """Fill in its forms, until it calls back that something changed."""
    DISMISS = "dismiss"
    """Close it."""


@noun
class Waiting:
    """The handset has registered and listens."""

    channel: Channel
    seconds: float


@noun
class Heard:
    """A notice came."""

    notice: Notice
    apps: tuple[str, ...]
    """What the handset asks for again; none = this family ignores it."""
    seconds: float
    """Since it began to listen."""


@noun
class Changed:
    """The new answer beside the old one."""

    changes: tuple[Change, ...]


@noun
class Opened:
    """A page was opened."""

    page: Page
    visit: Visit


@noun
class Sent:
    """A form was filled in and sent."""

    page: Page
    form: Form
    visit: Visit


@noun
class Called:
    """What the page tells the handset, and whether it has the words for it."""

    page: Page
    call: str
    is_named: bool


class Trouble(StrEnum):
    """What kind of thing did not come about."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNHEARD = "unheard"
    """No notice came; it may be on its way still."""


@noun
class Failed:
    """Something did not come about; the text is for people."""

    why: str
    kind: Trouble = Trouble.REFUSED


Event: TypeAlias = Outcome | Waiting | Heard | Changed | Opened | Sent | Called | Failed


# --- notices -------------------------------------------------------------------------------


async def await_notice(
    phone: Handset, receiver: Receiver, *, wait_s: float
) -> AsyncIterator[Event]:
    """Listen for a notice that this handset heeds, and ask again when it has come."""
    registered = _registrations(phone.document)
    if receiver.channel is not Channel.SMS and not _KEPT.intersection(registered.values()):
        names = {value_name("RegisterNotifStatus", each, app_id="") for each in registered.values()}
        said = ", ".join(sorted(names)).replace("_", " ") or "it says nothing of one"
        yield Failed(f"the server keeps no registration for push: {said}")
        return
    yield Waiting(receiver.channel, wait_s)
    began = time.monotonic()
    while (left := began + wait_s - time.monotonic()) > 0:
        try:
            notice = await receiver.listen(within=left)
        except HttpError as error:
            yield Failed(str(error), Trouble.UNREACHABLE)
            return
        if notice is None:
            break
        apps = phone.profile.heeds(notice.apps)
        yield Heard(notice, apps, time.monotonic() - began)
        if apps:
            async for event in _again(phone, apps):
                yield event
            return
    yield Failed(f"no notice has come within {wait_s:g} s", Trouble.UNHEARD)


async def _again(phone: Handset, apps: tuple[str, ...]) -> AsyncIterator[Event]:
    """Ask once more, and compare."""
    old = phone.document
    outcome = await phone.ask(apps=apps)
    yield outcome
    if outcome.document is not None:
        yield Changed(changes(old, outcome.document, apps))


def _registrations(document: Document | None) -> dict[str, str]:
    """Return RegisterNotifStatus by application."""
    there: tuple[Application, ...] = () if document is None else document.applications
    found = {}
    for application in there:
        status = _parms(application).get("RegisterNotifStatus")
        if status is not None:
            found[application.app_id] = status
    return found


def _parms(application: Application) -> dict[str, str]:
    return {item.name: item.value for item in application.items if isinstance(item, Parm)}


# --- pages ---------------------------------------------------------------------------------


async def open_pages(
    phone: Handset,
    document: Document,
    view: WebView,
    *,
    end: WebEnd,
    fill: Mapping[str, str],
    recheck_s: float = RECHECK_S,
    again: Callable[[], Awaitable[Outcome]] | None = None,
) -> AsyncIterator[Event]:
    """Open every page that an answer names, and do with it what the person does.

    When one is finished the phone asks as ``again`` says, by default for its application.
    """
    pages = pages_of(document)
    if not pages:
        yield Failed("there is no page to open in this answer")
    for page in pages:
        finished = False
        async for event in _with_page(phone, page, view, end=end, fill=fill):
            finished = isinstance(event, Called) and end is WebEnd.FINISH
            yield event
        if finished and again is not None:
            yield await again()
        elif finished:
            async for event in _after_page(phone, page, recheck_s=recheck_s):
                yield event


async def _with_page(
    phone: Handset, page: Page, view: WebView, *, end: WebEnd, fill: Mapping[str, str]
) -> AsyncIterator[Event]:
    """Open a page and go on to where it calls back; that comes last, if it comes."""
    try:
        visit = await view.go(opening(page, phone.profile))
        yield Opened(page, visit)
        if end is WebEnd.FINISH:
            sent: set[tuple[str, ...]] = set()
            for _ in range(_MOST_FORMS):
                form = form_of(visit.body, visit.url, fill) if visit.is_html else None
                if form is None:
                    break
                if form.typed in sent:
                    yield Failed(f"the page asks once more for {', '.join(form.typed)}")
                    return
                if form.typed:
                    sent.add(form.typed)
                if form.lacking:
                    yield Failed(f"the page asks for {', '.join(form.lacking)}: --fill NAME=VALUE")
                    return
                visit = await view.go(_sending(form, phone, visit))
                yield Sent(page, form, visit)
            else:
                yield Failed("the page asks for ever")
                return
    except HttpError as error:
        yield Failed(f"{page.app}: {error}", Trouble.UNREACHABLE)
        return
    except ValueError as error:
        yield Failed(f"{page.app}: the handset does not open the page: {error}")
        return
    if visit.status >= 400 or not visit.is_html:
        yield Failed(f"{page.app}: no page where one is due: {visit.status} {visit.content_type}")
    elif end is not WebEnd.LOOK:
        call = page.call_backs[-1 if end is WebEnd.DISMISS else 0]
        yield Called(page, call, call in visit.calls(page))


def _sending(form: Form, phone: Handset, seen: Visit) -> Opening:
    first = opening(Page("", seen.url, "", ""), phone.profile)
    headers = (*first.headers, ("Content-Type", "application/x-www-form-urlencoded"))
    return Opening("POST", form.url, headers, form.encoded.encode())


async def _after_page(phone: Handset, page: Page, *, recheck_s: float) -> AsyncIterator[Event]:
    """Ask again, as soon as the page says that something changed.

    Android's IMS app looks again for a while if the data are still missing, and gives up then.
    """
    profile = phone.profile
    patient = profile.web is WebRule.ANDROID and page.app == AppId.VOWIFI
    apps = profile.apps if profile.woken_by else (page.app,)
    for more in reversed(range(1 + RECHECKS if patient else 1)):
        document = None
        async for event in _again(phone, apps):
            if isinstance(event, Outcome) and event.result is Result.DOCUMENT:
                document = event.document
            yield event
        if document is None or not (patient and _is_missing_data(document)):
            return
        if more:
            await asyncio.sleep(recheck_s)
    yield Failed("the data are still missing: the phone shows an error")


def _is_missing_data(document: Document) -> bool:
    """Say whether VoWiFi waits for the subscriber, in Android's reading."""
    for application in document.applications:
        if application.app_id == AppId.VOWIFI:
            parms = _parms(application)
            owed = "0" in (parms.get("TC_Status"), parms.get("AddrStatus"))
            return parms.get("EntitlementStatus") == "0" and owed
    return False
