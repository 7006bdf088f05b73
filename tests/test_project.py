"""The repository itself: what has to be true of its files, whatever is in them."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Spelt in pieces, so that this file does not contain what it forbids.
WORKPLACE = [f"/{'work'}/", f"/{'opt'}/pypi", f"/{'opt'}/wheels"]

ADAPTERS = ROOT / "src/simgrant/adapters"
ADAPTER_GROUPS = [ADAPTERS / "__init__.py", *sorted(ADAPTERS.glob("*/__init__.py"))]
LOCK_FILES = sorted((ROOT / "requirements").glob("*.txt"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _repository_files() -> Iterator[Path]:
    """Yield every file that is, or would be with the next commit, in the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # The checkout may be somebody else's, to which git alone would object.
    known_or_new = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", *known_or_new],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            yield path


@pytest.mark.parametrize("path", ADAPTER_GROUPS, ids=_name)
def test_adapter_groups_are_empty(path: Path) -> None:
    """An import in one of these would escape the contract that adapters are independent."""
    assert path.read_bytes() == b""


@pytest.mark.parametrize("path", LOCK_FILES, ids=_name)
def test_lock_files_name_no_place(path: Path) -> None:
    """A lock file works with any index, so it names none, nor a directory of its author's."""
    for line in path.read_text().splitlines():
        assert not re.search(r"https?:|://|^-|file:|\s@\s|\s/", line)


@pytest.mark.parametrize("path", LOCK_FILES, ids=_name)
def test_lock_files_pin_by_hash(path: Path) -> None:
    text = re.sub(r"\\\n\s*", "", path.read_text())
    pins = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", pin)


def test_runtime_versions_are_those_that_are_tested() -> None:
    run, test = (
        set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
        for name in ("run.txt", "test.txt")
    )
    assert run <= test


def test_no_file_names_the_place_it_was_written_in() -> None:
    found = [
        f"{_name(path)}: {place}"
        for path in _repository_files()
        for place in WORKPLACE
        if place.encode() in path.read_bytes()
    ]
    assert not found


def test_make_help_lists_every_target() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    targets = re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = subprocess.run(
        [make, "--no-print-directory", "help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert targets
    assert set(re.findall(r"^  make (\S+)", listed.stdout, re.MULTILINE)) == set(targets)
