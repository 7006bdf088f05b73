"""Fixtures that more than one part of the suite needs, and the rule that CI skips nothing.

A test that needs what a machine may lack is skipped with the reason; that is a kindness to
whoever works there, and would be a hole in CI, where it counts as a failure.
"""

import gc
import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

from tests.servers.postgres import Postgres
from tests.servers.process import Unavailable
from tests.servers.valkey import Valkey

GOLDEN = Path(__file__).parent / "golden"

# Whoever runs the suite in the background may have had Ctrl-C ignored; programs that are
# started here are to be born with it, since tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is against the clock: a busy machine must not make an example fail. The suite tries as
# many examples as hypothesis means it to; `make unit`, which is for in between, a tenth of them.
# What CI says is about the change alone, so it tries the same examples every time: new ones are
# found wherever else the suite runs.
hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=os.environ.get("CI") == "true"
)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=10)
hypothesis.settings.load_profile("suite")

Golden = Callable[[str, bytes], None]
AnyReport = TypeVar("AnyReport", pytest.TestReport, pytest.CollectReport)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write tests/golden anew (make golden)"
    )
    parser.addoption(
        "--rewrite-screenshots",
        action="store_true",
        help="take the pictures of pages in the documentation anew (make screenshots)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage neither among what collecting makes, nor among it later: it all stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes longest, so that at the end no process waits for another's long file."""
    long = Path(__file__).parent / "e2e", Path(__file__).parent / "interop"
    items.sort(key=lambda item: not any(item.path.is_relative_to(each) for each in long))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _no_skip_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _no_skip_in_ci(report)


def _no_skip_in_ci(report: AnyReport) -> AnyReport:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI allows no skips: {report.nodeid or 'collection'}: {reason}"
    return report


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return the check that a document is byte for byte the one in tests/golden."""

    def check(name: str, document: bytes) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document)
        assert document == path.read_bytes()

    return check


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole run; ask for `postgres_url` to have a database in it."""
    try:
        server = Postgres.start()
    except Unavailable as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The URL of an empty database."""
    return postgres.create_database()


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A Valkey server for the whole run; ask for `valkey_url` to find it empty."""
    try:
        server = Valkey.start()
    except Unavailable as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def valkey_url(valkey: Valkey) -> str:
    """The URL of a Valkey server that holds nothing."""
    assert valkey.command("FLUSHALL") == "+OK"
    return valkey.url()
