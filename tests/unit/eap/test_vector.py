"""The authentication vector checks its sizes and keeps silent."""

from __future__ import annotations

import pytest

from simgrant.eap.vector import AuthVector, Resync

GOOD = {"rand": 16, "autn": 16, "xres": 8, "ck": 16, "ik": 16}


@pytest.mark.spec("TS 33.102 §6.3.7")
@pytest.mark.parametrize("xres", [4, 8, 16])
def test_takes_every_size_of_res(xres: int) -> None:
    sizes = {**GOOD, "xres": xres}
    assert len(AuthVector(**{name: bytes(size) for name, size in sizes.items()}).xres) == xres  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "size"),
    [("rand", 15), ("autn", 17), ("xres", 3), ("xres", 17), ("ck", 32), ("ik", 0)],
)
def test_refuses_wrong_sizes_by_name(name: str, size: int) -> None:
    sizes = {**GOOD, name: size}
    with pytest.raises(ValueError, match=name.upper()):
        AuthVector(**{field: bytes(size) for field, size in sizes.items()})  # type: ignore[arg-type]


def test_shows_no_secret() -> None:
    shown = repr(AuthVector(b"a" * 16, b"b" * 16, b"c" * 8, b"d" * 16, b"e" * 16))
    assert shown == "AuthVector(derived=False)"
    assert repr(Resync(b"a" * 16, b"b" * 14)) == "Resync()"


@pytest.mark.parametrize(("amf", "separated"), [(b"\x80\x00", True), (b"\x7f\xff", False)])
def test_reads_the_separation_bit(amf: bytes, separated: bool) -> None:
    vector = AuthVector(bytes(16), bytes(6) + amf + bytes(8), bytes(8), bytes(16), bytes(16))
    assert vector.separated is separated
