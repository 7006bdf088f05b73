"""Schemathesis calls the management API in every way that its document allows, and many it forbids.

It is a foreign tool that knows nothing of us but the document: all its checks, examples, coverage,
fuzzing and sequences of calls, against a server process on SQLite. What it may be answered besides
its defaults: 412 and 422, for what the document cannot say, such as which plans there are.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nodes import Site
from tests.interop.our_server import SIMGRANT
from tests.management.world import token_of
from tests.servers.process import free_port

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
TOOL = ROOT / ".venv-tools/schemathesis/bin/schemathesis"
DOCUMENT = ROOT / "src/simgrant/fronts/management/openapi.json"
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "429", "503"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "411", "412", "413", "415", "422"]
"""


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    if not TOOL.exists():
        pytest.skip("schemathesis is not installed; make tools")
    assert SIMGRANT.exists()
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(_narrowed()))
    site = Site(tmp_path)
    site.make()
    (tmp_path / "root").write_text(token_of("root"))
    port = free_port()
    node = site.node(
        settings={
            "api.listen": f"127.0.0.1:{port}",
            "api.client_burst": 0,
            "api_clients.root.role": "admin",
            "api_clients.root.token_file": "root",
        }
    )
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    try:
        done = subprocess.run(
            [
                TOOL,
                "--config-file",
                tmp_path / "schemathesis.toml",
                "run",
                document,
                "--url",
                f"http://127.0.0.1:{port}",
                "--header",
                f"Authorization: Bearer {token_of('root')}",
                "--checks",
                "all",
                "--max-examples",
                "6",
                "--generation-deterministic",
                "--continue-on-failure",
                "--no-color",
            ],
            capture_output=True,
            text=True,
            timeout=500,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
        calls = [line for line in node.lines() if line["event"] == "api_called"]
        # It came to every call, and most of them were carried out at least once.
        names = {each["operationId"] for at in _paths().values() for each in at.values()}
        assert {line["call"] for line in calls} >= names
        assert not [line for line in calls if line["status"] >= 500]
    finally:
        site.end()


def _narrowed() -> dict[str, Any]:
    """Return the document with what holds for this server: nobody else could guess its plans."""
    found: dict[str, Any] = json.loads(DOCUMENT.read_text())
    for schema in found["components"]["schemas"].values():
        fields = schema.get("properties", {})
        if "plan" in fields and "minLength" in fields["plan"]:
            fields["plan"] = {"enum": ["standard", "premium"]}
        if "imsi" in fields and "k" in fields:
            # What has to fit together fits by chance too seldom.
            for name in ("k", "opc", "op", "sqn", "sim_since", "terms_version", "address_id"):
                del fields[name]
        if "imsi" in fields and schema.get("additionalProperties") is False:
            fields["imsi"]["pattern"] = "^0010100000000[0-9]{2}$"
    for path in found["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "tenant":
                    parameter["schema"] = {"enum": ["default"]}
    return found


def _paths() -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = json.loads(DOCUMENT.read_text())["paths"]
    return found
