"""An application server that asks with a token that a phone lent it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.device.harness import JSON, Answer, Phone, Request, Server

NUMBER = "+447700900001"
"""That of the usual subscription."""


def app_of(answer: Answer, app: str) -> dict[str, Any]:
    """Return the application of a JSON document."""
    found = answer.object[app]
    assert isinstance(found, dict)
    return found


@dataclass(frozen=True)
class Partner:
    """What a partner's server sends, as JSON in a POST."""

    server: Server
    requestor_id: str = "partner-1"
    app: str = "ap2014"
    host: str = "127.0.0.1:8080"
    accept: str = JSON

    async def ask(self, operation: str, **parameters: str) -> Answer:
        """Ask for an operation."""
        members = {
            "requestor_id": self.requestor_id,
            "terminal_id": "dummy",
            "terminal_vendor": "v",
            "terminal_model": "m",
            "terminal_sw_version": "s",
            "entitlement_version": "12.0",
            "app": self.app,
            "operation": operation,
            "vers": "1",
        }
        members = {name: value for name, value in (members | parameters).items() if value}
        headers = [("content-type", JSON), ("host", self.host)]
        if self.accept:
            headers.append(("accept", self.accept))
        return await self.server.send(Request("POST", b"", headers, json.dumps(members).encode()))


def number_phone(server: Server, **changes: Any) -> Phone:
    """Return a phone whose telephony asks for phone numbers."""
    phone = Phone(
        server, apps=("ap2014",), entitlement_version="12.0", app_name="Google-OGI", wanted=JSON
    )
    return phone.but(**changes)


async def operate(phone: Phone, token: str, operation: str, **parameters: str) -> Answer:
    """Let a phone ask for an operation with its token."""
    extra = (("operation", operation), *parameters.items())
    return await phone.fast(token, extra=extra)


async def temporary(phone: Phone, token: str, targets: str, **parameters: str) -> str:
    """Let a phone acquire a temporary token."""
    answer = await operate(
        phone, token, "AcquireTemporaryToken", operation_targets=targets, **parameters
    )
    found = app_of(answer, phone.apps[0])
    assert found["OperationResult"] == "1", found
    return str(found["TemporaryToken"])
