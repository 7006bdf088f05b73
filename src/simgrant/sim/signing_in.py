"""How a handset proves itself without its SIM: by a page, or by a one-time password."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import typer

from simgrant.nouns import named_noun
from simgrant.sim.browser import follow
from simgrant.sim.exchange import Outcome
from simgrant.sim.handset import Handset
from simgrant.sim.http import HttpError, Limits, Unreachable, Url
from simgrant.sim.receiver import Receiver
from simgrant.sim.transcript import console
from simgrant.wire.push_token import Channel

_PASSWORD: Final = re.compile(r"(?<![0-9])[0-9]{4,10}(?![0-9])")


class Auth(StrEnum):
    """How the handset proves who it is."""

    SIM = "sim"
    OIDC = "oidc"
    """By signing in on the page that the server names; one that wants a person is for you."""
    OTP = "otp"
    """By the one-time password that is sent to --msisdn, which you are asked for."""


@named_noun
class Proof:
    """How a handset proves who it is, to whom."""

    auth: Auth
    url: Url
    msisdn: str
    texts: Url | None
    """Where it reads its messages."""
    wait_s: float
    """Seconds to wait for one, or for a notice."""
    tls: ssl.SSLContext | None
    limits: Limits


async def signed_in(proof: Proof, phone: Handset, number: str) -> Outcome:
    """Prove by a page, or by a password; what only a person can do, the terminal is asked for."""
    read = _asked("One-time password")
    if proof.texts is not None and number:
        texts = Receiver(proof.texts, Channel.SMS, limits=proof.limits)
        await texts.register(number)
        read = _read(texts, proof.wait_s)
    if proof.auth is Auth.OTP:
        return await phone.with_password(proof.msisdn, read)

    async def browse(page: str) -> str:
        try:
            return await follow(page, tls=proof.tls, limits=proof.limits)
        except (HttpError, ValueError) as error:
            state = parse_qs(urlsplit(page).query).get("state")
            if proof.texts is not None and state and "client_id=" not in page:
                # The page that asks for a password too: it leads back with both.
                return f"{proof.url}?{urlencode({'state': state[0], 'OTP': await read()})}"
            if isinstance(error, HttpError):
                raise
            console(stderr=True).print(f"{page}\n{error}", markup=False, soft_wrap=True)
            return await _asked("The address that it led to")()

    return await phone.sign_in(browse)


def _asked(what: str) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        try:
            return str(await asyncio.to_thread(typer.prompt, what, err=True)).strip()
        except typer.Abort:
            raise Unreachable(f"nobody said the {what[0].lower()}{what[1:]}") from None

    return read


def _read(texts: Receiver, wait_s: float) -> Callable[[], Awaitable[str]]:
    """Read the password in the message that comes, as phones offer to do."""

    async def read() -> str:
        while (notice := await texts.listen(within=wait_s)) is not None:
            if found := _PASSWORD.search(notice.text):
                return found[0]
        raise Unreachable(f"no message with a password has come within {wait_s:g} s")

    return read
