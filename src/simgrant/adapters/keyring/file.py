"""The key ring in files: one for the server, and one of its own for a tenant that wants it.

A file is JSON, readable by its owner only; anything wider is refused, since a
ring that others could read has to be replaced, not used. Changes are written
to a temporary file and renamed, so a reader never sees half a ring.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from simgrant.errors import StartRefused
from simgrant.keyring.ring import SECRET_BYTES, Key, KeyRing, Use
from simgrant.links.watched import Watched
from simgrant.nouns import noun

_FORMAT = 1


@noun
class Config:
    """Where the rings are and how they are kept up to date."""

    file: Path
    """The server's ring; tenants without one of their own use it."""
    tenants: Mapping[str, Path | None]
    """Every tenant, with its own ring file or None."""
    accept_for: int
    """Seconds for which a replaced sealing key is still accepted."""


def open_keys(config: Config, on_renewal: Callable[[], None] = lambda: None) -> FileKeys:
    """Read every ring; raise StartRefused with one line that says what is wrong.

    ``on_renewal`` is called whenever a changed ring was taken over.
    """
    return FileKeys(config, on_renewal)


class FileKeys:
    """A live key ring over files (the ``Keys`` port)."""

    def __init__(self, config: Config, on_renewal: Callable[[], None]) -> None:
        self._config = config
        self._on_renewal = on_renewal
        # Our own commands write a ring whole, and one that was missed refuses tokens.
        self.watched = Watched("key_ring", self._paths(), self._take, by_hand=False)
        self._ring = self._read()

    @property
    def ring(self) -> KeyRing:
        """Return the ring as of the last refresh."""
        return self._ring

    def refresh(self) -> bool:
        """Read the files again if one of them changed; keep the old ring if that fails."""
        return self.watched.look()

    def _take(self) -> bool:
        self._ring = self._read()
        self._on_renewal()
        return True

    def _paths(self) -> tuple[Path, ...]:
        own = (path for path in self._config.tenants.values() if path is not None)
        return (self._config.file, *own)

    def _read(self) -> KeyRing:
        rings: dict[Path, list[Key]] = {}
        for path in self._paths():
            if path not in rings:
                rings[path] = read_keys(path)
        keys = {
            tenant: rings[path or self._config.file]
            for tenant, path in self._config.tenants.items()
        }
        try:
            return KeyRing(keys, accept_for=self._config.accept_for)
        except ValueError as error:
            raise StartRefused(f"key ring {self._config.file}: {error}") from None


def read_keys(path: Path) -> list[Key]:
    """Return the keys of one ring file; raise StartRefused if it cannot be trusted or read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise StartRefused(
                f"key ring {path}: mode is {mode:04o}, must be 0600: chmod 600 {path}"
            )
        content = json.loads(path.read_bytes())
        if content["format"] != _FORMAT:
            raise StartRefused(f"key ring {path}: format {content['format']!r} is not known here")
        return [_pull_key(entry) for entry in content["keys"]]
    except OSError as error:
        raise StartRefused(
            f"key ring {path}: {error.strerror}; make one with: simgrant keys init"
        ) from None
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise StartRefused(f"key ring {path}: damaged; restore it from its backup") from None


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keep every other process from changing a ring between reading and writing it."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_keys(path: Path, keys: list[Key], *, create: bool = False) -> None:
    """Write a ring file with mode 0600, whole or not at all.

    With ``create`` an existing file is kept and FileExistsError raised.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = {"format": _FORMAT, "keys": [_push_key(key) for key in keys]}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        if create:
            os.link(temporary, path)
        else:
            temporary.rename(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        temporary.unlink(missing_ok=True)


def new_key(use: Use, *, now: int, active: int) -> Key:
    """Return a fresh random key."""
    return Key(secrets.token_hex(4), use, now, active, secrets.token_bytes(SECRET_BYTES))


def initial_keys(*, now: int) -> list[Key]:
    """Return a first ring: one key of each use, active at once."""
    return [new_key(use, now=now, active=now) for use in Use]


def _pull_key(entry: Mapping[str, str]) -> Key:
    secret = base64.b64decode(entry["secret"], validate=True)
    if len(secret) != SECRET_BYTES:
        raise ValueError("wrong length")
    return Key(
        entry["id"],
        Use(entry["use"]),
        _seconds(entry["created"]),
        _seconds(entry["active"]),
        secret,
    )


def _push_key(key: Key) -> dict[str, str]:
    return {
        "id": key.id,
        "use": key.use.value,
        "created": _iso(key.created),
        "active": _iso(key.active),
        "secret": base64.b64encode(key.secret).decode(),
    }


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
