"""What changed between two documents is told, and what only looks so is not."""

from __future__ import annotations

from simgrant.sim.difference import Change, changes
from simgrant.wire.document import (
    Application,
    Characteristic,
    CharacteristicList,
    Document,
    Item,
    Parm,
    Vers,
)


def document(**apps: tuple[Item, ...]) -> Document:
    return Document(Vers(1, 60), None, tuple(Application(*each) for each in apps.items()))


def detail(status: str) -> Characteristic:
    return Characteristic("Details", (Parm("EntitlementStatus", status),))


def test_values_that_came_went_and_changed() -> None:
    old = document(ap2004=(Parm("A", "1"), Parm("B", ""), Parm("C", "3")))
    new = document(ap2004=(Parm("B", "x"), Parm("C", "3"), Parm("D", "4")))
    assert changes(old, new, ["ap2004"]) == (
        Change("ap2004", "B", "", "x"),
        Change("ap2004", "D", None, "4"),
        Change("ap2004", "A", "1", None),
    )


def test_entries_of_a_list_are_told_apart() -> None:
    old = document(ap2003=(CharacteristicList("Info", (detail("1"), detail("1"))),))
    new = document(ap2003=(CharacteristicList("Info", (detail("1"), detail("2"))),))
    path = "Info/Details[2]/EntitlementStatus"
    assert changes(old, new, ["ap2003"]) == (Change("ap2003", path, "1", "2"),)


def test_a_secret_that_is_sealed_anew_is_no_change() -> None:
    old = document(ap2004=(Parm("ServiceFlow_UserData", "flow=a"),))
    new = document(ap2004=(Parm("ServiceFlow_UserData", "flow=b"),))
    gone = document(ap2004=(Parm("ServiceFlow_UserData", ""),))
    assert changes(old, new, ["ap2004"]) == ()
    assert changes(old, gone, ["ap2004"]) == (
        Change("ap2004", "ServiceFlow_UserData", "flow=a", ""),
    )


def test_only_what_was_asked_for_again_counts() -> None:
    old = document(ap2004=(Parm("A", "1"),), ap2005=(Parm("A", "1"),))
    new = document(ap2004=(Parm("A", "2"),))
    assert [change.app for change in changes(old, new, ["ap2004"])] == ["ap2004"]
    assert changes(None, new, ["ap2004"]) == (Change("ap2004", "A", None, "2"),)


def test_no_value_is_in_a_repr() -> None:
    assert "447700900001" not in repr(Change("ap2014", "MSISDN", None, "+447700900001"))
