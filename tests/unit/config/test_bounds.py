"""The bounds of settings, which stand in their types."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest

from simgrant.config.load import NAMED
from simgrant.config.model import Settings
from simgrant.config.section import Section, Within, bounds_of, out_of_bounds, table_in


def bounded() -> Iterator[tuple[type[Section], msgspec.structs.FieldInfo, Within]]:
    """Yield every setting that has bounds, and of which section it is."""
    kinds: list[Any] = [
        NAMED.get(each.name, each.type) for each in msgspec.structs.fields(Settings)
    ]
    for kind in kinds:
        for field in msgspec.structs.fields(kind):
            if table := table_in(field.type):
                kinds.append(table)
            if within := bounds_of(field.type):
                yield kind, field, within


BOUNDED = list(bounded())


def test_there_are_many() -> None:
    assert len(BOUNDED) > 120


@pytest.mark.parametrize(
    ("kind", "field", "within"),
    BOUNDED,
    ids=[f"{kind.__name__}.{field.name}" for kind, field, _ in BOUNDED],
)
def test_the_bounds_are_allowed_and_nothing_beyond(
    kind: type[Section], field: msgspec.structs.FieldInfo, within: Within
) -> None:
    assert list(out_of_bounds("x", kind())) == []
    named = isinstance(getattr(kind(), field.name), dict)

    def problems(number: float) -> list[str]:
        value: Any = {"ap2004": number} if named else number
        return list(out_of_bounds("x", kind(**{field.name: value})))

    assert problems(within.least) == problems(within.most) == []
    place = f"x.{field.name}{'.ap2004' if named else ''}"
    for number in (within.least - 1, within.most + 1):
        assert problems(number) == [f"{place}: {number} is not within {within}"]


class Inner(Section, frozen=True):
    number: Annotated[int, Within(1, 3)] = 2


class Outer(Section, frozen=True):
    inner: Inner = Inner()
    named: dict[str, Inner] = {}  # noqa: RUF012


def test_tables_inside_tables_are_looked_at_by_their_names() -> None:
    outer = Outer(inner=Inner(number=0), named={"a": Inner(), "b.c": Inner(number=4)})
    assert list(out_of_bounds("", outer)) == [
        "inner.number: 0 is not within 1 to 3",
        'named."b.c".number: 4 is not within 1 to 3',
    ]
