"""Files that are read again: taken over whole, or refused once while the old ones stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing

from simgrant.errors import StartRefused
from simgrant.links.watched import Watched


class Two:
    """Two files that have to say the same, and what was last read of them."""

    def __init__(self, directory: Path, *, by_hand: bool) -> None:
        self.files = directory / "a", directory / "b"
        self.write("1", "1")
        self.taken, self.tried = "1", 0
        self.watched = Watched("two", self.files, self._take, by_hand=by_hand)

    def write(self, *texts: str) -> None:
        for file, text in zip(self.files, texts, strict=False):
            new = file.with_suffix(".new")
            new.write_text(text)
            new.rename(file)

    def _take(self) -> bool:
        self.tried += 1
        a, b = (file.read_text() for file in self.files)
        if a != b:
            raise StartRefused(f"{a} is not {b}")
        before, self.taken = self.taken, a
        return before != a


@pytest.fixture
def by_hand(tmp_path: Path) -> Two:
    return Two(tmp_path, by_hand=True)


@pytest.fixture
def whole(tmp_path: Path) -> Two:
    return Two(tmp_path, by_hand=False)


@pytest.fixture(autouse=True)
def said() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as events:
        yield events  # type: ignore[misc]


def events(said: list[dict[str, object]]) -> list[object]:
    return [each["event"] for each in said]


def test_what_did_not_change_is_not_read(by_hand: Two, whole: Two) -> None:
    assert not by_hand.watched.look()
    assert not whole.watched.look()
    assert by_hand.tried == whole.tried == 0


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_was_read_by_another_is_read_at_the_first_look(
    tmp_path: Path, by_hand: bool, said: list[dict[str, object]]
) -> None:
    two = Two(tmp_path, by_hand=by_hand)
    two.write("2", "2")
    two.watched = Watched("two", two.files, two._take, by_hand=by_hand, read=False)
    assert two.watched.look()
    assert not two.watched.look()
    assert two.taken == "2"
    assert events(said) == ["two_renewed"]


def test_what_is_written_whole_is_taken_over_at_once(
    whole: Two, said: list[dict[str, object]]
) -> None:
    whole.write("2", "2")
    assert whole.watched.look()
    assert not whole.watched.look()
    assert (whole.taken, whole.tried) == ("2", 1)
    assert events(said) == ["two_renewed"]


def test_what_is_written_by_hand_is_left_alone_while_it_changes(
    by_hand: Two, said: list[dict[str, object]]
) -> None:
    by_hand.write("2")
    assert not by_hand.watched.look()
    by_hand.write("2", "2")
    assert not by_hand.watched.look()
    assert by_hand.tried == 0, "half of it would have been refused"
    assert by_hand.watched.look()
    assert by_hand.taken == "2"
    assert events(said) == ["two_renewed"]


def test_what_is_no_use_is_said_once_and_changes_nothing(
    by_hand: Two, whole: Two, said: list[dict[str, object]]
) -> None:
    by_hand.write("2", "3")
    for _ in range(5):
        assert not by_hand.watched.look()
    assert (by_hand.taken, by_hand.tried) == ("1", 1)
    assert events(said) == ["two_not_renewed"]
    assert said[0]["error"] == "2 is not 3"
    whole.write("2", "3")
    for _ in range(5):
        assert not whole.watched.look()
    assert whole.tried == 5, "a key ring is tried until it can be read"
    assert len(said) == 2


def test_what_was_refused_is_taken_over_when_it_was_mended(by_hand: Two) -> None:
    by_hand.write("2", "3")
    by_hand.watched.look()
    by_hand.watched.look()
    by_hand.write("3")
    by_hand.watched.look()
    assert by_hand.watched.look()
    assert by_hand.taken == "3"


def test_another_mistake_is_said_too(by_hand: Two, said: list[dict[str, object]]) -> None:
    for text in ("2", "3"):
        by_hand.write(text)
        by_hand.watched.look()
        by_hand.watched.look()
    assert [each["error"] for each in said] == ["2 is not 1", "3 is not 1"]


@pytest.mark.parametrize("kind", ["by_hand", "whole"])
def test_a_file_that_is_gone_is_a_mistake(
    kind: str, request: pytest.FixtureRequest, said: list[dict[str, object]]
) -> None:
    two: Two = request.getfixturevalue(kind)
    two.files[1].unlink()
    for _ in range(3):
        assert not two.watched.look()
    assert two.taken == "1"
    assert events(said) == ["two_not_renewed"]


def test_rights_that_were_changed_are_a_change(whole: Two) -> None:
    whole.files[0].chmod(0o400)
    whole.watched.look()
    assert whole.tried == 1


def test_a_signal_reads_at_once_and_speaks_each_time(
    by_hand: Two, said: list[dict[str, object]]
) -> None:
    by_hand.write("2", "2")
    assert by_hand.watched.look(forced=True)
    by_hand.write("3")
    for _ in range(2):
        assert not by_hand.watched.look(forced=True)
    assert events(said) == ["two_renewed", "two_not_renewed", "two_not_renewed"]


def test_what_is_read_anew_and_is_the_same_is_not_spoken_of(
    by_hand: Two, said: list[dict[str, object]]
) -> None:
    by_hand.write("1", "1")
    by_hand.watched.look()
    assert not by_hand.watched.look()
    assert not by_hand.watched.look()
    assert by_hand.tried == 1
    assert said == []


def test_what_changes_while_it_is_read_is_read_once_more(whole: Two) -> None:
    whole.write("2", "2")
    real = whole._take

    def slow() -> bool:
        changed = real()
        whole.write("3", "3")
        return changed

    whole.watched = Watched("two", whole.files, slow, by_hand=False)
    whole.write("4", "4")
    assert whole.watched.look()
    assert whole.taken == "4"
    assert whole.watched.look()
    assert whole.taken == "3"
