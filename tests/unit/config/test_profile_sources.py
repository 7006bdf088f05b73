"""Where profiles come from, by the settings: what is wrong with them, and what they make."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from simgrant.compose.esims import esims, source_rules
from simgrant.config.load import load
from simgrant.domain.order import Device, Order, OrderMode, Source
from simgrant.errors import StartRefused
from simgrant.flows.profile_sources import ProfileSources
from simgrant.identities import Eid
from simgrant.spec.ids import AppId
from tests.unit.config.test_esim_settings import SMDP
from tests.unit.domain.test_order import an_order
from tests.unit.keyring.test_ring import ring

SOUTH = SMDP.replace("smdp.north", "smdp.south").replace('["office", "data"]', '["W-2"]')
ESIM = """[esim.watch]
smdp = "north"
profile_type = "office"
sources = ["far", "few"]
[profile_sources.far]
smdp = "south"
profile_type = "W-2"
allocation = "peer"
eid_prefixes = ["8905"]
[profile_sources.few]
smdp = "south"
profile_type = "W-2"
share = 0.25
"""
BSS = """[esim.watch]
order_mode = "bss"
"""
FAR = Eid("89059032123451234512345678901235")


class Keys:
    ring = ring()

    def refresh(self) -> bool:
        return False


def sources(tmp_path: Path) -> ProfileSources:
    (tmp_path / "simgrant.toml").write_text(SMDP + SOUTH + ESIM)
    loaded = load(tmp_path / "simgrant.toml", {})
    return ProfileSources(source_rules(loaded), Keys())


def order(eid: Eid | None, number: int = 0) -> Order:
    found = replace(an_order(), device=Device(f"watch {number}", eid))
    return replace(found, app_id=AppId.ODSA_COMPANION, source=Source("north", "office"))


def test_devices_are_led_where_the_settings_say(tmp_path: Path) -> None:
    led = sources(tmp_path)
    first, *others = led.of("default", order(FAR))
    assert first == Source("south", "W-2", pooled=False)
    assert others[-1] == order(FAR).source
    found = Counter(led.of("default", order(None, number))[0].smdp for number in range(2_000))
    assert 400 < found["south"] < 600
    again = [led.of("default", order(None, 7)) for _ in range(3)]
    assert len(set(again)) == 1


def test_what_has_its_place_already_is_not_led_anywhere(tmp_path: Path) -> None:
    led = sources(tmp_path)
    reused = replace(order(FAR), reuses=True)
    assert led.of("default", reused) == (reused.source,)
    of_the_bss = replace(order(FAR), source=Source("", "", mode=OrderMode.BSS))
    assert led.of("default", of_the_bss) == (of_the_bss.source,)
    primary = replace(order(FAR), app_id=AppId.ODSA_PRIMARY)
    assert led.of("default", primary) == (primary.source,)


def test_a_table_says_who_orders_and_when_a_profile_is_released(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(BSS)
    line = esims(load(file, {}))["default"].lines[AppId.ODSA_COMPANION]
    assert line.source == Source("", "", pooled=False, mode=OrderMode.BSS)
    file.write_text(SMDP + SOUTH + ESIM.replace("\nsources", '\nrelease = "on_word"\nsources'))
    line = esims(load(file, {}))["default"].lines[AppId.ODSA_COMPANION]
    assert line.source == Source("north", "office", hold=True)
    assert line.further == ("south", "south")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SMDP + ESIM, "profile_sources.far.smdp: there is no [smdp.south]"),
        (SMDP + SOUTH + ESIM.replace('"few"]', '"none"]'), "there is no [profile_sources.none]"),
        (SMDP + SOUTH + ESIM.replace('"far", ', ""), "far: no [esim.NAME] names it in sources"),
        (SMDP + SOUTH + ESIM.replace("W-2", "W-3"), "smdp.south has no profile type W-3"),
        (SMDP + SOUTH + ESIM.replace("0.25", "0.0"), "profile_sources.few.share: 0.0"),
        (SMDP + SOUTH + ESIM.replace("0.25", "1.5"), "profile_sources.few.share: 1.5"),
        (SMDP + SOUTH + ESIM.replace('"8905"', '"89x"'), "eid_prefixes: '89x'"),
        (SMDP + SOUTH + ESIM + 'eid_ranges = ["1-2"]\n', "eid_ranges: '1-2' is no range"),
        (SMDP + SOUTH + ESIM + 'profile_types = ["data"]\n', "nothing of it is of a type"),
        (SMDP + SOUTH + BSS + 'smdp = "north"\n', "esim.watch.smdp: this is the BSS's"),
        (SMDP + SOUTH + BSS + 'release = "on_word"\n', "esim.watch.release: this is the BSS's"),
        (SMDP + SOUTH + BSS + 'old_profile = "reused"\n', "watch.old_profile: this is the BSS's"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "simgrant.toml").write_text(content)
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "simgrant.toml", {})
    assert said in str(refused.value)
