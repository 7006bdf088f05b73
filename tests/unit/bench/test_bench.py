"""The parts of the bench that could be wrong without anybody noticing."""

import itertools
import os
from array import array

import pytest

from bench import cases, handset, load, results, usage, world
from bench.load import Fault, Head, Request
from bench.results import Figures, Results, Round
from simgrant.eap.milenage import Milenage

STAT = (
    "4711 (simgrant (w) 1) S 1 4711 4711 0 -1 4194560 9 8 7 6 "
    "250 50 3 4 20 0 3 0 100 200 300 18446744073709551615\n"
)
ROLLUP = """\
55d0-7ffd ---p 00000000 00:00 0                          [rollup]
Rss:               30000 kB
Private_Clean:      1024 kB
Private_Dirty:     20480 kB
Private_Hugetlb:       0 kB
Pss_Dirty:         20480 kB
"""
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/vnd.wap.connectivity-xml\r\n"
    b"Content-Length: 17\r\n\r\nEntitlementStatus"
)


def figures(cpu_us: float = 100.0, *, ratio: float | None = None, uss_mb: float = 60.0) -> Figures:
    return Figures(cpu_us=cpu_us, rps=9, p50_ms=1, p99_ms=2, uss_mb=uss_mb, ratio=ratio)


def one_round(cpu_us: float) -> Round:
    return Round(cpu_us=cpu_us, rps=9, p50_ms=1, p99_ms=2, uss_mb=60)


def run_of(found: dict[str, Figures]) -> Results:
    return Results(version="1", at="2026-01-01", machine="m", subscriptions=5, cases=found)


class TestUsage:
    def test_cpu_time_is_user_and_system_whatever_the_name(self) -> None:
        assert usage.pull_cpu_ticks(STAT) == 300

    def test_private_memory_is_clean_and_dirty(self) -> None:
        assert usage.pull_private_kb(ROLLUP) == 21504

    def test_of_this_process(self) -> None:
        assert usage.cpu_seconds(os.getpid()) > 0
        assert usage.private_mb(os.getpid()) > 1


class TestHttp:
    def test_head(self) -> None:
        head = load.pull_head(ANSWER)
        assert head == Head(200, ANSWER.index(b"Ent"), len(ANSWER))

    def test_nothing_before_the_head_is_whole(self) -> None:
        end = ANSWER.index(b"\r\n\r\n") + 4
        assert all(load.pull_head(ANSWER[:size]) is None for size in range(end))

    def test_body_may_still_be_coming(self) -> None:
        head = load.pull_head(ANSWER[:-5])
        assert head is not None
        assert head.end == len(ANSWER)

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"SSH-2.0\r\nContent-Length: 1\r\n\r\n",
        ],
    )
    def test_what_it_does_not_understand_is_a_fault(self, data: bytes) -> None:
        with pytest.raises(Fault):
            load.pull_head(data)


class TestExchanges:
    def exchange(self) -> load._Token:
        return load._Token(itertools.cycle([Request(b"GET")]), itertools.count())

    def test_good_answer_ends_the_operation(self) -> None:
        data = ANSWER.replace(b"Content-Type", b"content-type")
        head = load.pull_head(data)
        assert head is not None
        assert self.exchange().answered(data, head) == b""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"200 OK", b"503 Service Unavailable"),
            (b"connectivity-xml", b"nothing"),
            (b"EntitlementStatus", b"EntitlementNothing"),
        ],
    )
    def test_bad_answer_is_a_fault(self, old: bytes, new: bytes) -> None:
        data = ANSWER.replace(b"Content-Type", b"content-type").replace(old, new)
        data = data.replace(b"Length: 17", b"Length: %d" % len(data.partition(b"\r\n\r\n")[2]))
        head = load.pull_head(data)
        assert head is not None
        with pytest.raises(Fault):
            self.exchange().answered(data, head)

    def test_challenge_is_answered_as_android_does(self) -> None:
        """Vector B of our notes on Android's client: Milenage set 1."""
        before = (
            b'{"eap-relay-packet":"AQEARBcBAAABBQAAI1U8vpY3qJ0hiuZNrke/NQIFAACqaJxkg1CAAJBMu0UbZd'
            b'74CwUAAJFNU1IIFFvSRKNVqWwWGM0="}'
        )
        after = b'{"eap-relay-packet":"AgEAKBcBAAADAwBApUIR1eO6UL8LBQAA+ZNo8Erza2B+vRs2qxj6wQ=="}'
        nai = f"0001010000000001@{world.REALM}"
        assert handset.answer_relay(before, nai, Milenage(world.K, world.OPC)) == after


def test_percentile() -> None:
    ordered = array("d", range(100))
    assert load.percentile(ordered, 0.5) == 50
    assert load.percentile(ordered, 0.99) == 99
    assert load.percentile(ordered, 1.0) == 99
    assert load.percentile(array("d"), 0.5) == 0


def test_subscriptions_are_chosen_once_each() -> None:
    tokens, sims = world.choose(100, 60, 30)
    assert (len(tokens), len(sims)) == (60, 30)
    assert not set(tokens) & set(sims)
    assert world.choose(100, 60, 30) == [tokens, sims]


class TestCases:
    def test_a_letter_stands_for_its_family(self) -> None:
        assert [case.key for case in cases.chosen("d")] == ["a", "d", "d0"]

    def test_references_come_along(self) -> None:
        assert [case.key for case in cases.chosen("e, b0")] == ["a", "b0", "e0", "e"]

    def test_none_named_is_all(self) -> None:
        assert cases.chosen("") == cases.CASES

    def test_unknown(self) -> None:
        with pytest.raises(ValueError, match="no case 'x'"):
            cases.chosen("x")

    def test_references_are_cases(self) -> None:
        keys = [case.key for case in cases.CASES]
        assert len(set(keys)) == len(keys)
        assert {case.reference for case in cases.CASES} <= {"", *keys}


class TestFigures:
    def test_ratio_is_the_median_of_the_rounds_ratios(self) -> None:
        """A slow spell of the machine meets both sides of one round's ratio."""
        case = next(case for case in cases.CASES if case.key == "b")
        rounds = {
            "a": [one_round(40), one_round(400), one_round(40)],
            "b": [one_round(100), one_round(1000), one_round(80)],
        }
        found = results.figures(case, rounds)
        assert found.ratio == 0.4
        assert found.cpu_us == 100

    @pytest.mark.parametrize(
        ("changed", "more_is_better", "style"),
        [
            (None, True, ""),
            (0.15, True, ""),
            (-0.15, True, ""),
            (0.16, True, "green"),
            (-0.16, True, "red"),
            (0.16, False, "red"),
            (-0.16, False, "green"),
        ],
    )
    def test_colour(self, changed: float | None, *, more_is_better: bool, style: str) -> None:
        assert results.style(changed, more_is_better=more_is_better) == style

    def test_change(self) -> None:
        assert results.change(0.3, 0.4) == pytest.approx(-0.25)
        assert results.change(0.3, None) is None
        assert results.change(None, 0.3) is None

    def test_targets_in_the_page(self) -> None:
        found = {
            "a": figures(40),
            "b0": figures(100, ratio=0.4),
            "b": figures(130, ratio=0.31, uss_mb=130),
        }
        text = results.markdown(run_of(found))
        assert (
            "| b | token request, SQLite, 1,000,000 subscriptions | 130.0 | 0.310 | 0.35 ✗" in text
        )
        assert "1.30 times what a thousand do (at most 1.2) ✗" in text
        assert "130 MB at most (below 120) ✗" in text

    def test_page_keeps_what_is_around_the_marks(self) -> None:
        page = f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n"
        assert results.replaced(page, "new") == (
            f"before\n{results.BEGIN}\n\nnew\n\n{results.END}\nafter\n"
        )
        with pytest.raises(ValueError, match="lacks"):
            results.replaced("nothing", "new")

    def test_committed_figures_and_page_agree(self) -> None:
        committed = results.read()
        assert committed is not None
        assert results.markdown(committed) in results.PAGE.read_text("utf-8")
