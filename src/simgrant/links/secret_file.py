"""A secret in a file, read again when the file has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.links.watched import stamp

T = TypeVar("T")
_MOST_BYTES = 64 * 1024


class SecretFile(Generic[T]):
    """What a file holds, as ``read`` understands its bytes (ValueError: it does not)."""

    def __init__(self, path: Path, read: Callable[[bytes], T]) -> None:
        self._path = path
        self._read = read
        try:
            self._stamp = stamp(path)
            self._value = self._load()
        except OSError as error:
            raise StartRefused(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise StartRefused(f"{path}: {error}") from None

    def __repr__(self) -> str:
        return f"SecretFile({str(self._path)!r})"

    def has_changed(self) -> bool:
        """Tell whether the file is no longer the one that was read last."""
        try:
            return stamp(self._path) != self._stamp
        except OSError:
            return False

    def value(self) -> T:
        """Return what the file holds now; PeerUnavailable if it was replaced by what is no use."""
        if self.has_changed():
            try:
                changed = stamp(self._path)
                self._value = self._load()
                self._stamp = changed
            except (OSError, ValueError):
                raise PeerUnavailable(
                    "secret_unreadable",
                    for_operator=f"{self._path} was changed and cannot be used",
                ) from None
        return self._value

    def _load(self) -> T:
        with self._path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError("too long for a secret")
        return self._read(data)


def read_text(data: bytes) -> str:
    """Return a password: the file's text without white space around it; ValueError if empty."""
    text = data.decode("utf-8").strip()
    if not text:
        raise ValueError("the file is empty")
    return text
