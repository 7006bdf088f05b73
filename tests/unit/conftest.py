"""What a unit test is here: one that starts no process and opens no socket.

So these tests are quick, and need nothing of the machine. What talks over loopback stands in
tests/loopback.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest


def _refuse(*_: Any, **__: Any) -> NoReturn:
    pytest.fail("a unit test starts no process and opens no socket: tests/loopback is for those")


@pytest.fixture(autouse=True, scope="module")
def _nothing_of_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "bind", _refuse)
        patch.setattr(socket.socket, "connect", _refuse)
        patch.setattr(subprocess, "Popen", _refuse)
        yield
