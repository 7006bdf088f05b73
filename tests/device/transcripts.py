"""Plays a conversation that is written down, and holds the answers against it.

``>`` is what the client sends, letter for letter: request line, headers, and after an empty line
the body. ``<`` is what has to come back: the status, headers of which all must be there, and after
an empty line texts that the body must hold. ``*`` in an expected line stands for anything. A line
that begins with ``>>`` goes on where the one before it ended.

In braces stands what no transcript can know: ``{eap_id}``, ``{imsi}`` and ``{reply}``, the SIM's
answer to the last challenge; ``{cookie}`` and ``{token}`` are those of the last answer with one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from fnmatch import translate

from tests.device.harness import RELAY, Answer, Phone, Request, relay_body


@dataclass
class Played:
    """The answers so far, and what the client remembers of them."""

    phone: Phone
    answers: list[Answer] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> Answer:
        return self.answers[-1]

    def remember(self, answer: Answer) -> None:
        """Keep what the next request may need."""
        self.answers.append(answer)
        if answer.header("set-cookie"):
            self.known["cookie"] = answer.cookie
        if answer.status == 200 and answer.header("content-type") == RELAY:
            self.known["reply"] = relay_body(self.phone.reply(answer)).decode()
        elif answer.status == 200 and "json" in answer.header("content-type"):
            self.known["token"] = json.loads(answer.content)["Token"]["token"]
        elif found := re.search(rb'name="token" value="([^"]+)"', answer.content):
            self.known["token"] = found[1].decode()


async def play(phone: Phone, transcript: str) -> Played:
    """Play a transcript with a phone's SIM and server; raise AssertionError where it goes wrong."""
    played = Played(phone, known={"eap_id": phone.eap_id, "imsi": phone.imsi.digits})
    whole = re.sub(r"\n *>> ", "", transcript)
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    told: list[str] = []
    for at, line in enumerate(lines):
        told.append(line)
        ends = at + 1 == len(lines) or (line[:1] == "<" and lines[at + 1][:1] == ">")
        if ends:
            sent = [each[2:] for each in told if each[:1] == ">"]
            due = [each[2:] for each in told if each[:1] == "<"]
            answer = await phone.server.send(_request(sent, played.known))
            _hold(answer, due, played.known)
            played.remember(answer)
            told = []
    return played


def _request(lines: list[str], known: dict[str, str]) -> Request:
    head, body = _parted(
        [re.sub(r"\{(\w+)\}", lambda name: known[name[1]], each) for each in lines]
    )
    method, _, target = head[0].partition(" ")
    path, _, query = target.partition("?")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in head[1:])]
    return Request(method, query.encode(), headers, "\n".join(body).encode(), path)


def _hold(answer: Answer, lines: list[str], known: dict[str, str]) -> None:
    head, body = _parted([re.sub(r"\{(\w+)\}", "*", line) for line in lines])
    assert str(answer.status) == head[0], (answer, known.keys())
    got = [f"{name}: {value}" for name, value in answer.headers]
    for line in head[1:]:
        assert any(re.match(translate(line), each) for each in got), (line, got)
    for line in body:
        assert re.search(translate(f"*{line}*"), answer.content.decode()), (line, answer.content)


def _parted(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines before the first empty one, and those after it."""
    end = lines.index("") if "" in lines else len(lines)
    return lines[:end], lines[end + 1 :]
