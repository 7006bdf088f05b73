"""The route of a SIM, against the rule written out the long way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.route import Route, Routes
from simgrant.identities import Imsi


@st.composite
def _routes(draw: st.DrawFn) -> list[Route]:
    """Return routes of which no two of one kind overlap, as the settings promise."""
    found = []
    for tenant in ("", "red"):
        for digits in (0, 5, 6, 7):
            ends = draw(
                st.lists(
                    st.text("01", min_size=digits, max_size=digits), unique=True, max_size=6
                ).map(sorted)
            )
            for at in range(0, len(ends), 2):
                pair = (ends[at], ends[min(at + 1, len(ends) - 1)])
                name = f"{tenant}/{pair[0]}-{pair[1]}"
                found.append(
                    Route(
                        name=name,
                        sources=(name,),
                        tenants=(tenant,) if tenant else (),
                        imsis=(pair,) if digits else (),
                    )
                )
    return draw(st.permutations(found))


def _the_long_way(routes: list[Route], tenant: str, imsi: str) -> tuple[str, ...]:
    fitting = [
        (each.tenant != "", each.digits, route.sources)
        for route in routes
        for each in route.stretches()
        if each.tenant in ("", tenant) and each.first <= imsi[: each.digits] <= each.last
    ]
    return max(fitting)[2] if fitting else ()


@given(_routes(), st.sampled_from(["red", "blue"]), st.text("01", min_size=15, max_size=15))
def test_the_tenant_s_own_comes_first_and_then_the_longest(
    routes: list[Route], tenant: str, imsi: str
) -> None:
    assert Routes(routes).of(tenant, Imsi(imsi)) == _the_long_way(routes, tenant, imsi)


def test_an_imsi_that_is_too_short_is_in_no_longer_range() -> None:
    routes = Routes([Route(name="a", sources=("a",), imsis=(("0010100000", "0010199999"),))])
    assert routes.of("red", Imsi("00101000")) == ()
    assert routes.of("red", Imsi("0010100000")) == ("a",)
