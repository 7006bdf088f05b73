"""Secrets in files: read at once, read again when replaced, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.links.secret_file import SecretFile, read_text


def replace(path: Path, data: bytes) -> None:
    """Replace a file as careful tools do: by another one of the same name."""
    new = path.with_name("new")
    new.write_bytes(data)
    new.rename(path)


def test_a_secret_is_read_again_when_its_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b" first\n")
    secret = SecretFile(path, read_text)
    assert secret.value() == "first"
    assert not secret.has_changed()
    replace(path, b"second")
    assert secret.has_changed()
    assert secret.value() == "second"
    assert not secret.has_changed()


def test_what_replaces_it_has_to_be_of_use(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"first")
    secret = SecretFile(path, read_text)
    replace(path, b"\n")
    for _ in range(2):
        with pytest.raises(PeerUnavailable) as raised:
            secret.value()
    assert str(path) in raised.value.for_operator
    replace(path, b"third")
    assert secret.value() == "third"


def test_a_file_that_vanishes_leaves_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"first")
    secret = SecretFile(path, read_text)
    path.unlink()
    assert not secret.has_changed()
    assert secret.value() == "first"


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_that_holds_no_secret_refuses_the_start(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(data)
    with pytest.raises(StartRefused, match="secret"):
        SecretFile(path, read_text)


def test_its_repr_names_the_file_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"hunter2")
    assert "hunter2" not in repr(SecretFile(path, read_text))
