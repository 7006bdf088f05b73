"""A phone that the core network fails, and another way to prove itself (TS.43 §2.8.1, Table 7)."""

from __future__ import annotations

import pytest

from tests.device.harness import Phone, Workbench
from tests.device.signing_in import signing_in
from tests.servers.process import free_port


def settings(*, fallback: bool) -> str:
    """Return those of an HLR where nobody listens."""
    return (
        f"[auth]\nfallback_on_core_failure = {str(fallback).lower()}\n"
        f'[hlr.gone]\naddress = "127.0.0.1:{free_port()}"\nunit_name = "ecs-%d"\n'
    )


@pytest.mark.spec("TS.43 Table 7")
@pytest.mark.conforms("aaa.no-connection")
@pytest.mark.parametrize(
    ("fallback", "apps", "status"),
    [
        (True, ("ap2014",), 511),
        (True, ("ap2014", "ap2004"), 511),
        (True, ("ap2014", "ap2003"), 503),
        (False, ("ap2014",), 503),
    ],
)
async def test_another_way_is_told_of_where_all_applications_have_one(
    bench: Workbench, *, fallback: bool, apps: tuple[str, ...], status: int
) -> None:
    async with signing_in(bench, settings(fallback=fallback)) as ins:
        phone = Phone(ins.server, apps=apps)
        answer = await phone.full()
        assert answer.status == status
        (record,) = await ins.server.records()
        assert record["outcome"] == ("core_unavailable" if status == 511 else "hlr_not_connected")
        if status == 511:
            # As TS.43 has it: the same request without EAP_ID leads to a page.
            assert (await ins.begin(phone)).status == 302


@pytest.mark.spec("TS.43 Table 7")
async def test_without_the_store_no_other_way_leads_anywhere(bench: Workbench) -> None:
    more = "[auth]\nfallback_on_core_failure = true\n"
    async with signing_in(bench, more) as ins:
        ins.server.store.down = True
        try:
            assert (await Phone(ins.server, apps=("ap2014",)).full()).status == 503
        finally:
            ins.server.store.down = False
