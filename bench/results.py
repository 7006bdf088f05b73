"""From rounds to figures, from figures to a table, and how they compare with the committed ones.

Ratios are taken within each round, in which the cases took turns of a part of a second, and the
median of the rounds is what counts: whatever else the machine did meets both sides of a ratio
alike. Only ratios and memory are compared with the committed figures, since microseconds are those
of another machine.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import median

import msgspec
from rich.table import Table
from rich.text import Text

from bench import cases, services
from bench.cases import CASES, Case
from bench.load import Result

COMMITTED = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[1] / "docs" / "bench.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
NOTABLE = 0.15
"""Changes up to this are noise."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One case in one round, all its turns together."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    uss_mb: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One case over all rounds."""

    cpu_us: float
    """CPU microseconds of the server per operation, user and system."""
    rps: float
    p50_ms: float
    p99_ms: float
    uss_mb: float
    """Private memory of the worker."""
    ratio: float | None = None
    """CPU of the reference divided by ours; 1 = as cheap as the bare server."""
    spread: tuple[float, float] | None = None
    """The least and the greatest ratio of a round."""
    rounds_us: tuple[float, ...] = ()
    """`cpu_us` of each round; older files have none."""


class Work(msgspec.Struct, frozen=True):
    """What some work took that is measured once."""

    title: str
    took: float
    unit: str
    most: float | None = None
    """Target: it takes less; None = it is only told."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    version: str
    at: str
    machine: str
    subscriptions: int
    cases: dict[str, Figures]
    works: tuple[Work, ...] = ()


def machine() -> str:
    """Return what the figures were measured on, in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, Linux {platform.release()}, CPython {platform.python_version()}"


def today() -> str:
    """Return the date for the results."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of the ordered values lies; 0 for none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def round_of(turns: Sequence[Result], *, cpu_s: float, uss_mb: float) -> Round:
    """Return what a case's turns of one round come to, percentiles being those of all answers."""
    took_ms = sorted(chain.from_iterable(turn.took_ms for turn in turns))
    done = sum(len(turn.took_ms) * turn.times for turn in turns)
    return Round(
        cpu_us=cpu_s / done * 1e6,
        rps=done / sum(turn.seconds for turn in turns),
        p50_ms=percentile(took_ms, 0.5),
        p99_ms=percentile(took_ms, 0.99),
        uss_mb=uss_mb,
    )


def figures(case: Case, rounds: Mapping[str, Sequence[Round]]) -> Figures:
    """Return the medians of a case's rounds, and of its ratios."""
    own = rounds[case.key]
    ratio = spread = None
    if case.reference:
        pairs = zip(rounds[case.reference], own, strict=True)
        ratios = [reference.cpu_us / each.cpu_us for reference, each in pairs]
        ratio = round(median(ratios), 3)
        spread = round(min(ratios), 3), round(max(ratios), 3)
    return Figures(
        cpu_us=round(median(each.cpu_us for each in own), 1),
        rps=round(median(each.rps for each in own)),
        p50_ms=round(median(each.p50_ms for each in own), 2),
        p99_ms=round(median(each.p99_ms for each in own), 2),
        uss_mb=round(max(each.uss_mb for each in own), 1),
        ratio=ratio,
        spread=spread,
        rounds_us=tuple(round(each.cpu_us, 1) for each in own),
    )


def change(now: float | None, before: float | None) -> float | None:
    """Return the change as a share of what was; None where there is nothing to compare."""
    if now is None or not before:
        return None
    return now / before - 1


def style(changed: float | None, *, more_is_better: bool) -> str:
    """Return the colour of a change: none while it is noise."""
    if changed is None or abs(changed) <= NOTABLE:
        return ""
    return "green" if (changed > 0) == more_is_better else "red"


def mark(*, met: bool) -> str:
    """Return the sign of a target."""
    return "✓" if met else "✗"


def growth(found: Mapping[str, Figures]) -> float | None:
    """Return how many times what a thousand subscriptions cost a million do: the rounds' median."""
    if "b" not in found or "b0" not in found:
        return None
    many, few = (each.rounds_us or (each.cpu_us,) for each in (found["b"], found["b0"]))
    return median(of_many / of_few for of_many, of_few in zip(many, few, strict=True))


def table(results: Results, committed: Results | None) -> Table:
    """Return the results for a terminal."""
    shown = Table(title=f"simgrant {results.version} · {results.machine}", title_justify="left")
    for name in ("", "case"):
        shown.add_column(name)
    columns = ("CPU us", "ratio", "spread", "target", "was", "req/s", "p50 ms", "p99 ms", "USS MB")
    for name in columns:
        shown.add_column(name, justify="right", no_wrap=True)
    before = committed.cases if committed else {}
    for case in CASES:
        if case.key not in results.cases:
            continue
        now = results.cases[case.key]
        was = before.get(case.key)
        changed = change(now.ratio, was.ratio if was else None)
        more_memory = change(now.uss_mb, was.uss_mb if was else None)
        shown.add_row(
            case.key,
            case.title,
            f"{now.cpu_us:.1f}",
            Text(_ratio(now.ratio), style(changed, more_is_better=True)),
            _spread(now.spread),
            Text(_target(case, now), _target_style(case, now)),
            _change(changed),
            _rate(case, now),
            f"{now.p50_ms:.2f}",
            f"{now.p99_ms:.2f}",
            Text(_memory(case, now), style(more_memory, more_is_better=False)),
        )
    return shown


def remarks(results: Results) -> list[str]:
    """Return what the table cannot say in a column."""
    lines = []
    grown = growth(results.cases)
    if grown is not None:
        lines.append(
            f"A million subscriptions cost {grown:.2f} times what a thousand do "
            f"(at most {cases.GROWTH}) {mark(met=grown <= cases.GROWTH)}"
        )
    lines.extend(_services(results.cases))
    own = [results.cases[case.key] for case in CASES if case.database and case.key in results.cases]
    if own:
        most = max(each.uss_mb for each in own)
        lines.append(
            f"Private memory of a worker: {most:.0f} MB at most "
            f"(below {cases.USS_MB:.0f}) {mark(met=most < cases.USS_MB)}"
        )
    lines.extend(map(_work, results.works))
    return lines


def _work(work: Work) -> str:
    told = f"{work.title}: {work.took:.{0 if work.unit == 'ms' else 1}f} {work.unit}"
    told = told[0].upper() + told[1:]
    if work.most is None:
        return told
    return f"{told} (below {work.most:,.0f}) {mark(met=work.took < work.most)}"


def _services(found: Mapping[str, Figures]) -> Iterator[str]:
    """Yield what the dearest service costs beside ap2004, of those that may cost alike."""
    times: dict[float, dict[str, float]] = {}
    for case in CASES:
        figures = found.get(case.key)
        if case.app != services.BASE and figures is not None and figures.ratio:
            most = services.enquiry_of(case.app).most
            times.setdefault(most, {})[case.app] = 1 / figures.ratio
    for most, of in sorted(times.items()):
        worst = max(of.values())
        yield (
            f"{', '.join(sorted(of))} cost at most {worst:.2f} times what {services.BASE} does "
            f"(at most {most}) {mark(met=worst <= most)}"
        )


def markdown(results: Results) -> str:
    """Return the results for the documentation."""
    rows = [
        f"simgrant {results.version}, {results.at}, {results.machine}; "
        f"{results.subscriptions:,} subscriptions.",
        "",
        "| | case | CPU µs | ratio | target | req/s | p50 ms | p99 ms | USS MB |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for case in CASES:
        if case.key in results.cases:
            now = results.cases[case.key]
            spread = f" ({_spread(now.spread)})" if now.spread else ""
            rows.append(
                f"| {case.key} | {case.title} | {now.cpu_us:.1f} | {_ratio(now.ratio)}{spread} "
                f"| {_target(case, now)} | {_rate(case, now)} | {now.p50_ms:.2f} "
                f"| {now.p99_ms:.2f} | {now.uss_mb:.0f} |"
            )
    rows += ["", *(f"- {line}" for line in remarks(results))]
    return "\n".join(rows)


def read(path: Path = COMMITTED) -> Results | None:
    """Return the committed figures, None if there are none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except FileNotFoundError:
        return None


def write(results: Results) -> None:
    """Commit the figures: into the JSON file, and into the page between its two marks."""
    encoded = msgspec.json.format(msgspec.json.encode(results), indent=1)
    COMMITTED.write_bytes(encoded + b"\n")
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), markdown(results)), "utf-8")


def replaced(page: str, text: str) -> str:
    """Return a page with another text between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.3f}"


def _spread(spread: tuple[float, float] | None) -> str:
    return f"{spread[0]:.3f}–{spread[1]:.3f}" if spread else ""  # noqa: RUF001


def _target(case: Case, now: Figures) -> str:
    met = _met(case, now)
    if met is None:
        return ""
    wanted = f"{case.target:.2f}" if case.below_us is None else f"< {case.below_us:.0f} µs"
    return f"{wanted} {mark(met=met)}"


def _target_style(case: Case, now: Figures) -> str:
    return {None: "", True: "green", False: "yellow"}[_met(case, now)]


def _met(case: Case, now: Figures) -> bool | None:
    """Return whether the target for what it costs is met, None where there is none."""
    if case.below_us is not None:
        return now.cpu_us < case.below_us
    if case.target is None or now.ratio is None:
        return None
    return now.ratio >= case.target


def _rate(case: Case, now: Figures) -> str:
    sign = "" if case.rate is None else f" {mark(met=now.rps >= case.rate)}"
    return f"{now.rps:,.0f}{sign}"


def _change(changed: float | None) -> Text:
    if changed is None:
        return Text("")
    return Text(f"{changed:+.0%}", style(changed, more_is_better=True))


def _memory(case: Case, now: Figures) -> str:
    sign = f" {mark(met=now.uss_mb < cases.USS_MB)}" if case.database else ""
    return f"{now.uss_mb:.0f}{sign}"
