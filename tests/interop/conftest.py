"""Our server for whoever wants to talk to it from outside."""

from collections.abc import Iterator

import pytest

from tests.device.conftest import bench as bench
from tests.device.conftest import template as template
from tests.interop import our_server
from tests.interop.our_server import OurServer


@pytest.fixture(scope="session")
def simgrant_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """`simgrant serve` with the demonstration subscriptions, for the whole run."""
    with our_server.running(tmp_path_factory.mktemp("simgrant")) as server:
        yield server
