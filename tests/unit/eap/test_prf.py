"""The PRF of EAP-AKA: both implementations against the published vector and each other."""

from __future__ import annotations

import ctypes.util
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap import prf as module
from simgrant.eap.prf import prf, prf_fast, prf_pure, use
from tests.vectors import Case, each

IMPLEMENTATIONS = [prf_pure, *([prf_fast] if prf_fast else [])]


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before = module.IMPLEMENTATION
    yield
    use(before)


@pytest.mark.spec("RFC 4187 §7")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@each("fips_prf")
def test_gives_the_published_bytes(
    case: Case, implementation: Callable[[bytes, int], bytes]
) -> None:
    assert implementation(case.raw("key"), 40) == case.raw("out")


@pytest.mark.skipif(prf_fast is None, reason="no SHA1_Transform on this machine")
@given(key=st.binary(min_size=20, max_size=20), length=st.integers(0, 170))
def test_both_implementations_agree(key: bytes, length: int) -> None:
    assert prf_fast is not None
    assert prf_fast(key, length) == prf_pure(key, length)


@pytest.mark.skipif(prf_fast is None, reason="no SHA1_Transform on this machine")
def test_both_agree_where_the_key_overflows() -> None:
    assert prf_fast is not None
    assert prf_fast(b"\xff" * 20, 160) == prf_pure(b"\xff" * 20, 160)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_shorter_output_is_the_head_of_a_longer_one(
    implementation: Callable[[bytes, int], bytes],
) -> None:
    assert implementation(bytes(20), 160)[:33] == implementation(bytes(20), 33)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("size", "length"), [(19, 40), (21, 40), (20, -1)])
def test_refuses_keys_and_lengths_it_cannot_serve(
    implementation: Callable[[bytes, int], bytes], size: int, length: int
) -> None:
    with pytest.raises(ValueError, match="20 bytes"):
        implementation(bytes(size), length)


def test_use_switches_to_plain_python() -> None:
    use("python")
    assert module.IMPLEMENTATION == "python"
    assert module._active is prf_pure
    assert len(prf(bytes(20), 32)) == 32


@pytest.mark.skipif(prf_fast is None, reason="no SHA1_Transform on this machine")
def test_the_fast_one_is_in_use_where_it_is_right() -> None:
    use("ctypes")
    assert module._active is prf_fast


def test_without_a_library_the_fast_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "prf_fast", None)
    with pytest.raises(ValueError, match="SHA1_Transform"):
        use("ctypes")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the linker's cache says, which is otherwise asked by a process."""
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: "libcrypto.so.3")


@pytest.mark.usefixtures("found")
def test_a_library_that_computes_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_bind", lambda _library: lambda _key, length: bytes(length))
    assert module._load() is None


@pytest.mark.usefixtures("found")
def test_a_library_without_the_symbol_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_library: object) -> Callable[[bytes, int], bytes]:
        raise AttributeError("SHA1_Transform")

    monkeypatch.setattr(module, "_bind", missing)
    assert module._load() is None
