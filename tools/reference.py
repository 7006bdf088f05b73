"""Write the generated pages of the documentation; with ``--check``, compare them instead.

Every page is made of the objects that the server runs on, so it cannot say
something else than the code. Prose that no object holds stands in pages written
by hand; some of them have a generated part between two marks.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import typer
from prometheus_client import CollectorRegistry

from simgrant import errors
from simgrant.cli.app import app
from simgrant.domain.conditions import Names, Subject, subjects
from simgrant.domain.device_lists import Listing
from simgrant.domain.facts import Area, Device, Fact, Facts, Purchases, Question
from simgrant.domain.network_facts import Registration
from simgrant.domain.order import Kind
from simgrant.domain.policy import FEATURES, Decision, Result, default_policy
from simgrant.domain.risk import NumberType, Way
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.domain.trail import Trail, Verdict
from simgrant.eap.conversation import RejectReason
from simgrant.flows.camara.problem import Code, Problem
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.flows.operations import OPERATIONS
from simgrant.flows.operations.operation import Operation
from simgrant.fronts.camara.answers import WRONG
from simgrant.fronts.device import key_set
from simgrant.fronts.device.answers import STATUS
from simgrant.fronts.portal.answers import ANSWERS
from simgrant.ports.camara_tokens import AssertionKind
from simgrant.services import SERVICES, ParmRow, Service
from simgrant.spec.ids import ProvStatus
from simgrant.spec.load import tables
from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.record import push_trail, push_verdict
from tools.markdown import head, table
from tools.members import Members

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src/simgrant"
REASONS = Path(__file__).with_name("reasons.toml")


# --- services ------------------------------------------------------------------------------


def services() -> str:
    """Return the page of services and what their answers hold."""
    parts = [
        head("Services", "src/simgrant/services and the tables beside it"),
        "What a phone can ask for, and what the answer may hold. A policy rule decides about\n"
        "*features*; the service turns the decisions into its parameters. `simgrant services`\n"
        "and `GET /services.json` on the management listener have the short form.\n",
    ]
    parts += [_service(service) for _, service in sorted(SERVICES.items())]
    parts += [
        "## Operations\n",
        "What `ap2014` and `ap2015` do when they are asked for an `operation`. Each answer has\n"
        "OperationResult beside what is listed here. Whoever calls proves the SIM (`sim`), or\n"
        "brings a token that a phone or an app lent him.\n",
    ]
    found = sorted({each.name: each for each in OPERATIONS.values()}.items())
    parts += [_operation(operation) for _, operation in found]
    parts.append("## Not served\n")
    parts.append(
        "A request that asks for one of these beside a served one is answered without it; one\n"
        "that asks for nothing else gets 400. A system that asks for `ap2011` alone, with an\n"
        "`access_token`, is known and gets its TOKEN; there are no operations for it yet.\n"
    )
    rows = (
        (f"`{row.id}`", row.about, f"§{row.section}")
        for row in tables().applications.values()
        if row.id not in SERVICES
    )
    parts.append(table(("AppID", "about", "TS.43"), rows))
    return "\n".join(parts)


def _operation(operation: Operation) -> str:
    by = "; ".join(
        f"{app} by {', '.join(f'`{proof}`' for proof in sorted(proofs))}"
        for app, proofs in operation.proofs.items()
    )
    needs = ", ".join(f"`{name}`" for name in operation.required) or "nothing"
    scopes = ", ".join(f"`{scope}`" for scope in sorted(operation.scopes))
    opened = f" Scopes of operator tokens that allow it: {scopes}." if scopes else ""
    head = (
        f"### {operation.name}\n\n"
        f"TS.43 §{operation.section}, since version {operation.since}. For {by}. "
        f"It has to be given {needs}.{opened}\n"
    )
    rows = (
        (
            f"`{path}`",
            row.presence,
            row.meaning + "".join(f"; `{app}` only" for app in row.apps),
            _words(row),
            f"§{row.section}",
        )
        for path, row in operation.parms.items()
    )
    return f"{head}\n{table(('parameter', 'presence', 'meaning', 'values', 'TS.43'), rows)}"


def _words(row: ParmRow) -> str:
    numbers = (f"{number} {word}" for number, word in row.values.items())
    return ", ".join((*numbers, *row.words)) or "free"


def _service(service: Service) -> str:
    looks = ", ".join(f"`{need}`" for need in sorted(service.needs)) or "nothing else"
    features = ", ".join(f"`{name}` ({FEATURES.get(name, name)})" for name in service.features)
    decides = f"Decides about {features}." if features else "Decides nothing."
    requires = " and ".join(f"`{name}`" for name in service.requires)
    top = (
        f"## {service.app_id}: {service.name}\n\n"
        f"TS.43 §{service.section}, since version {service.since}. "
        f"{decides} Beside the decisions it looks at {looks}."
        + (f" A request needs {requires}." if requires else "")
        + "\n"
    )
    rows = (
        (
            f"`{path}`",
            row.presence,
            row.meaning,
            _words(row),
            _span(row),
            f"§{row.section}",
        )
        for path, row in service.parms.items()
    )
    columns = ("parameter", "presence", "meaning", "values", "told to clients of", "TS.43")
    return f"{top}\n{table(columns, rows)}"


def _span(row: ParmRow) -> str:
    if row.before is not None:
        return f"before {row.before}"
    return "every version" if str(row.since) == "1.0" else f"{row.since} and later"


def requests() -> str:
    """Return the page of request parameters and versions."""
    missing = {
        "refuse": "400",
        "authenticate": "511, or a full authentication",
        "accept": "goes on without it",
    }
    compared = {"exact": "exactly", "folded": "without regard to case", "number": "as a number"}
    params = (
        (
            f"`{row.name}`",
            row.meaning + _values(row.values),
            compared[row.compared],
            missing[row.missing],
            row.source if row.source == "RCC.14" else f"TS.43 §{row.source}",
        )
        for row in tables().params.values()
    )
    versions = (
        (str(row.number), row.published or "never", row.brings, row.ours or "nothing new")
        for row in tables().versions.values()
    )
    answers = (
        (f"`{row.characteristic}/{row.name}`", row.presence, row.meaning + _values(row.values))
        for row in tables().answer_parms.values()
    )
    return "\n".join(
        (
            head("Requests and documents", "src/simgrant/spec/tables"),
            "One resource at any path, by GET with a query or by POST with one flat JSON object.\n"
            "The answer to a challenge is a POST with the member `eap-relay-packet` and the\n"
            "session's cookie, and nothing else.\n",
            "## Parameters of a request\n",
            table(("name", "meaning", "compared", "without it", "defined in"), params),
            "## In every document\n",
            "Beside these, each application asked for has its own part: see\n"
            "[Services](services.md).\n",
            table(("parameter", "presence", "meaning"), answers),
            "## Versions of TS.43\n",
            "Every version from 1.0 on is served, unless a\n"
            "[profile](../operations.md#profiles-of-clients) says otherwise; newer ones than the\n"
            "last of this table are served like it.\n",
            table(("version", "published", "brings", "what we do otherwise from it on"), versions),
        )
    )


def _values(values: Mapping[int, str]) -> str:
    listed = ", ".join(f"{number} {word}" for number, word in values.items())
    return f" ({listed})" if listed else ""


# --- answers, errors, reasons ----------------------------------------------------------------


def answers() -> str:
    """Return the page of HTTP statuses."""
    rows = tables().http_answers.values()

    def listed(*, sent: bool) -> str:
        return table(
            ("status", "when", "what a phone does", "TS.43"),
            (
                (f"**{row.status}**", row.when, row.device, f"§{row.section}")
                for row in rows
                if row.sent is sent
            ),
        )

    return "\n".join(
        (
            head("HTTP answers", "src/simgrant/spec/tables/http_answers.toml"),
            "What the device listener answers, and what a phone makes of it. Every answer has\n"
            "`x-request-id` and `cache-control: no-store`; every 503 has `retry-after` in\n"
            "seconds, spread so that phones do not come back together.\n"
            "The texts of refusals say nothing that an attacker could use; the reason is in the\n"
            "request's record ([Errors and reasons](errors.md)).\n",
            listed(sent=True),
            "## Never sent\n",
            "TS.43 has these; this release has no occasion for them.\n",
            listed(sent=False),
            "## Beside TS.43 on the device listener\n",
            "Only where documents are\n[signed](../operations.md#signed-answers); then each has\n"
            "`content-digest`, `signature-input` and `signature` too.\n",
            table(
                ("path", "answer"),
                ((f"`{key_set.PATH.decode()}`", "the public keys as a JWKS (RFC 7517); GET only"),),
            ),
            "## The management listener\n",
            table(
                ("path", "answer"),
                (
                    ("`/healthz`", "200 `alive` as long as the process can answer"),
                    (
                        "`/readyz`",
                        "200 `ready`, or 503 with the reason; a line for each source of vectors",
                    ),
                    ("`/metrics`", "[metrics](metrics.md) in the text format of Prometheus"),
                    ("`/services.json`", "the served applications, for machines"),
                ),
            ),
        )
    )


def error_page() -> str:
    """Return the page of errors and reason codes."""
    tree = (
        (
            f"`{kind.__name__}`",
            str(status),
            (kind.__doc__ or "").strip().splitlines()[0],
            f"`{kind.for_device}`" if kind.for_device else "nothing",
        )
        for kind, status in STATUS.items()
    )
    meanings = reason_meanings()
    found = reason_sources()
    reasons = (
        (f"`{reason}`", ", ".join(sorted({_status(kind) for kind in kinds})), meanings[reason])
        for reason, kinds in sorted(found.items())
        if reason in meanings
    )
    return "\n".join(
        (
            head("Errors and reasons", "src/simgrant/errors.py and tools/reasons.toml"),
            "A phone is told a status and next to nothing. Why, is in the field `outcome` of the\n"
            "request's record and in the label `outcome` of `simgrant_requests_total`.\n",
            "## Errors\n",
            table(("error", "status", "meaning", "body"), tree),
            "## Outcomes\n",
            "`document` and `challenge` are the good ones. `method` is one other than GET and\n"
            "POST (405), `internal_error` a fault of ours (500; the log has where).\n",
            table(("outcome", "status", "meaning and what to do"), reasons),
            "## Outcomes of pages\n",
            "A request to the [portal](../portal.md) has `web_view` as its `leg`. It ends with\n"
            "what was shown (`agree`, `address`, `suggestions`, `offers`, `choose`, `confirm`,\n"
            "`ready`, `selected`, `delete_first`, `later`, `done`, `not_offered`, `closed`),\n"
            "with `no_page` (404), with one of these, or with one of those above that have to do\n"
            "with the subscription, the connection or the store.\n",
            table(
                ("outcome", "status", "meaning and what to do"),
                (
                    (f"`{reason}`", str(ANSWERS[kind][0]), meanings[reason])
                    for reason, kind in sorted(page_reasons().items())
                    if reason in meanings
                ),
            ),
            "## Outcomes of partners\n",
            "A request to the listener of [partners](../open-gateway.md) that fails ends with one\n"
            "of these, or with one of those above that have to do with the connection or the\n"
            "store. The partner is told the word beside it, or one of them by what it asked for,\n"
            "and never which of several things was wrong.\n",
            table(
                ("outcome", "partner is told", "meaning and what to do"),
                (
                    (
                        f"`{reason}`",
                        f"`{'`, `'.join(sorted(told))}`",
                        meanings[reason],
                    )
                    for reason, told in sorted(partner_reasons().items())
                    if reason in meanings
                ),
            ),
            "## Reasons of decisions\n",
            "The field `reason` of a decision comes from the policy: see [Policy](../policy.md).\n"
            "`no_rule` means that not one rule held, and what nobody allowed is denied.\n",
        )
    )


def reason_meanings() -> Mapping[str, str]:
    """Return what each reason code means, as written for operators."""
    meanings: Mapping[str, str] = tomllib.loads(REASONS.read_text("utf-8"))
    return meanings


def reason_sources() -> dict[str, set[type[errors.EcsError]]]:
    """Return every reason that a device's request can end with, and the errors it comes with."""
    kinds = {kind.__name__: kind for kind in STATUS}
    found: dict[str, set[type[errors.EcsError]]] = {}
    for name, reason in _raised(kinds, _DEVICES):
        found.setdefault(reason, set()).add(kinds[name])
    for reject in RejectReason:
        if reject not in (RejectReason.MALFORMED, RejectReason.UNKNOWN_IDENTITY):
            found.setdefault(reject.value, set()).add(errors.AuthenticationRejected)
    for kind in STATUS:
        found.setdefault(kind.default_reason, set()).add(kind)
    return found


def page_reasons() -> dict[str, type[errors.EcsError]]:
    """Return the reasons of its own that a request to the portal can end with."""
    kinds = {kind.__name__: kind for kind in ANSWERS}
    opened = ("web_view", "page", "consent_link", "consent_page")
    sealed = ["not_sealed", *(f"{each}_{why}" for each in opened for why in ("foreign", "broken"))]
    found: dict[str, type[errors.EcsError]] = dict.fromkeys(sealed, errors.Unauthenticated)
    return found | {reason: kinds[name] for name, reason in _raised(kinds, _PAGES)}


def partner_reasons() -> dict[str, set[str]]:
    """Return the reasons of its own that a partner's request can end with, and what it is told."""
    kinds = {kind.__name__: kind for kind in WRONG}
    codes = {name: WRONG[kind].code for name, kind in kinds.items()}
    found = {"access_token_broken": {"UNAUTHENTICATED"}}
    for name, reason in _raised({**kinds, **_OAUTH}, _PARTNERS):
        if (name, reason) == (errors.Overloaded.__name__, "quota_exceeded"):
            continue  # it has a code of its own, which is found where that is chosen
        found.setdefault(reason, set()).add(codes.get(name, name))
    return found


_OAUTH: Mapping[str, type[errors.EcsError]] = {each.value: OAuthRefused for each in OAuthError}


_OPENED = ("token", "session", "sign_in", "otp", "requestor_token")
_FORMATTED = {
    "{purpose}_foreign": tuple(f"{purpose}_foreign" for purpose in _OPENED),
    "{purpose}_broken": tuple(f"{purpose}_broken" for purpose in _OPENED),
    "{purpose}_format": ("consent_link_format", "consent_page_format"),
    "subscription_{status}": ("subscription_none", "subscription_barred", "subscription_removed"),
    "eap_{type(action).__name__}": (),
}
"""Reasons that are put together at run time. The last is a state that cannot be reached."""
_RAISED_BY = {
    "BadIdToken": "Unauthenticated",
    "Throttle": "Overloaded",
    "Unsent": "PeerUnavailable",
    "unanswered": "PeerUnavailable",
}
"""What hands its reason on to an error of ours, or is one of a narrower kind."""
_BEHIND_REQUESTS = {
    ("adapters", "notify"),
    ("adapters", "texts"),
    ("links", "bearer.py"),
    ("links", "oauth.py"),
    ("links", "smpp.py"),
}


_PAGES: set[tuple[str, ...]] = {
    ("flows", "consent_pages"),
    ("flows", "handles.py"),
    ("flows", "visits.py"),
    ("flows", "web_views"),
    ("fronts", "portal"),
    ("wire", "user_data.py"),
}
"""The code of the portal."""
_PARTNERS: set[tuple[str, ...]] = {("flows", "camara"), ("fronts", "camara")}
"""The code of partner APIs."""
_DEVICES: set[tuple[str, ...]] = set()
"""All the rest is on the road of a device's request."""


def _raised(
    kinds: Mapping[str, type[errors.EcsError]], where: set[tuple[str, ...]]
) -> Iterator[tuple[str, str]]:
    """Yield (error, reason) wherever the code of a listener makes an error of ours."""
    trees = {}
    for path in sorted(SOURCES.rglob("*.py")):
        below = path.relative_to(SOURCES).parts
        if below[0] in ("cli", "sim") or path.stem in ("xml_reader", "json_reader"):
            continue  # not on the road of a device's request
        if not _is_of(below, where):
            continue
        if below[:2] in _BEHIND_REQUESTS:
            continue  # on that of a notice or a text; no request waits for them
        if below[-1] in ("subscriptions.py", "explain.py"):
            continue
        trees[path] = ast.parse(path.read_text("utf-8"))
    members = Members(trees.values(), (OAuthError.__name__, Code.__name__, AssertionKind.__name__))
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                name = _RAISED_BY.get(name, name)
                if name == OAuthRefused.__name__ and len(node.args) > 1:
                    for word, reason in _told(members, path, node, node.args[1]):
                        yield OAuthError[word].value, reason
                if name == Problem.__name__ and node.args and where is _PARTNERS:
                    said = [each.value for each in node.keywords if each.arg == "reason"]
                    for word, reason in _told(members, path, node, *said):
                        yield Code[word].value, reason
                if name in kinds and node.args:
                    yield from ((name, reason) for reason in _reasons_in(node.args[0]))
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Dict)
                and any(
                    isinstance(each, ast.Name) and each.id == "_REASONS" for each in node.targets
                )
            ):
                for value in node.value.values:
                    yield from (("PeerUnavailable", reason) for reason in _reasons_in(value))


def _told(
    members: Members, path: Path, call: ast.Call, reason: ast.expr | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (name of the code, reason) of a refusal; the code is the reason where it has none.

    Raise LookupError where the source does not show what is told.
    """
    pairs: list[tuple[ast.expr, ast.expr | None]] = [(call.args[0], reason)]
    match pairs[0]:
        case ast.IfExp() as code, ast.IfExp() as why if ast.dump(code.test) == ast.dump(why.test):
            pairs = [(code.body, why.body), (code.orelse, why.orelse)]
        case _:
            pass
    for told, said in pairs:
        found = sorted(name for _, name in members.of(told))
        if not found:
            raise LookupError(f"{path}:{call.lineno}: what is told cannot be seen")
        for name in found:
            for each in (name.lower(),) if said is None else _reasons_in(said):
                yield name, each


def _is_of(below: tuple[str, ...], where: set[tuple[str, ...]]) -> bool:
    """Say whether a file is one of these, or, if they are none, neither of pages nor partners."""
    return below[:2] in where if where else below[:2] not in _PAGES | _PARTNERS


def _reasons_in(node: ast.expr) -> Iterable[str]:
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.IfExp(body=body, orelse=orelse):
            return (*_reasons_in(body), *_reasons_in(orelse))
        case ast.JoinedStr():
            return _FORMATTED[ast.unparse(node)[2:-1]]
        case _:
            return ()  # a reason handed on, which is found where it was made


def _status(kind: type[errors.EcsError]) -> str:
    return str(STATUS[kind])


# --- metrics -------------------------------------------------------------------------------


def metric_page() -> str:
    """Return the page of metrics."""
    return "\n".join(
        (
            head("Metrics", "src/simgrant/telemetry/metrics.py"),
            "`GET /metrics` on the management listener, in the text format of Prometheus. Labels\n"
            "are words from closed sets, never identities. With several workers the numbers are\n"
            "sums over all of them, and `simgrant_in_flight` is left out: it is of one process.\n",
            table(("metric", "type", "labels", "meaning"), metric_rows()),
        )
    )


def metric_rows() -> list[tuple[str, str, str, str]]:
    """Return name, type, labels and meaning of each metric, from a request that has it all."""
    made = Metrics(CollectorRegistry())
    made.watch_in_flight(lambda: 0)
    made.count([(full_trail(), 0.001)])
    made.count_notices("default", "fcm", "delivered", 1, 0.5)
    made.count_order("default", "ap2006", "released")
    made.count_smdp_call("main", 204)
    made.count_diameter("hss", "2001", 0.001)
    made.show_diameter_peer("hss", "okay", ("okay",))
    made.count_diameter_spared("hss")
    made.count_gsup("hlr", "vectors", 0.001)
    made.show_hlr("hlr", "okay", ("okay",))
    rows = []
    for family in made.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        listed = ", ".join(f"`{label}`" for label in sorted(labels)) or "none"
        rows.append((f"`{name}`", family.type, listed, family.documentation))
    return sorted(rows)


def full_trail() -> Trail:
    """Return the trail of a request to which everything happened."""
    question = Question("vowifi", Area.HOME)
    decisions = (Decision(question, Result.ALLOWED, "in_plan", "in-plan", "v", {}),)
    return Trail(
        "0" * 16,
        tenant="default",
        subscriber_ref="0" * 24,
        terminal_ref="0" * 24,
        source_ref="0" * 24,
        leg="token",
        apps=("ap2004",),
        unknown_apps=("ap9999",),
        spec_version="12.0",
        app_name="app",
        user_agent="PRD-TS43",
        profile="generic",
        status=200,
        outcome="document",
        detail="detail",
        operation="GetPhoneNumber",
        operation_result=1,
        verdict=Verdict(decisions, push_verdict(_some_facts(), decisions)),
        device=Device("", "", "", ""),
        times={"subscription": 0},
        peers_us={"store": 1},
    )


def record_fields() -> tuple[str, ...]:
    """Return the names of all fields of a request's record."""
    return tuple(msgspec.json.decode(push_trail(full_trail(), now=0, seconds=0)))


def _some_facts() -> Facts:
    return Facts(
        status=Fact(SubscriptionStatus.ACTIVE, "subscription", 0),
        plan=Fact("standard", "subscription", 0),
        features=Fact(frozenset({"vowifi"}), "policy v"),
        terms=Fact(ConsentStatus.GIVEN, "consent", 0),
        address=Fact(ConsentStatus.GIVEN, "consent", 0),
        provisioning=Fact(ProvStatus.NOT_REQUIRED, "subscription", 0),
        area=Fact(Area.HOME, "subscription", 0),
        visited_plmn=Fact("00101", "subscription", 0),
        device=Fact(Device("", "", "", ""), "request"),
    )


# --- commands ------------------------------------------------------------------------------


def command_page() -> str:
    """Return the page of commands."""
    parts = [
        head("Commands", "src/simgrant/cli and src/simgrant/sim"),
        "`--config FILE` may stand anywhere among the options of a command. Without it, a file\n"
        "`simgrant.toml` in the current directory counts, and without that the built-in defaults.\n"
        "Exit codes: 0 done, 1 refused or failed, 2 wrong usage or configuration, 130\n"
        "interrupted; `simgrant sim handset` has 3 for a server that cannot be reached, and 4\n"
        "for a notice that did not come. Data goes to standard output, everything said about it\n"
        "to standard error.\n",
    ]
    for path, command in commands().items():
        if getattr(command, "commands", None) is None:
            parts.append(_command(path, command))
    return "\n".join(parts)


def commands() -> dict[str, Any]:
    """Return every command and group by its words, such as ``keys rotate``; the root is empty."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        found[" ".join(words)] = command
        if getattr(command, "commands", None) is not None:
            for name in command.list_commands(None):
                walk(command.get_command(None, name), (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def options(command: Any) -> dict[str, Any]:
    """Return a command's options by each of their spellings."""
    return {
        spelling: param
        for param in command.params
        if param.param_type_name == "option"
        for spelling in (*param.opts, *param.secondary_opts)
    }


def _command(path: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    named = " ".join(map(_argument, arguments))
    help_text = (command.help or "").strip()
    parts = [
        f"## simgrant {path}\n",
        f"`simgrant {path} {named}`\n" if named else "",
        help_text,
        "",
    ]
    rows = []
    for param in command.params:
        text = getattr(param, "help", None) or ""
        if param.param_type_name == "argument":
            rows.append((f"`{_argument(param)}`", text, ""))
        elif "--help" not in param.opts:
            spelt = ", ".join(f"`{each}`" for each in (*param.opts, *param.secondary_opts))
            rows.append((spelt, text + _choices(param), _default(param)))
    if rows:
        parts.append(table(("option", "meaning", "default"), rows))
    return "\n".join(part for index, part in enumerate(parts) if part or index != 1)


def _argument(param: Any) -> str:
    return str(param.metavar or param.name).upper()


def _choices(param: Any) -> str:
    """Return the words that an option takes, where they are a closed set."""
    descriptor = getattr(param, "type_descriptor", None)
    kind = getattr(descriptor, "annotation", None)
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return ""
    return " One of " + ", ".join(f"`{each.value}`" for each in kind) + "."


def _default(param: Any) -> str:
    default = getattr(param.default, "value", param.default)
    if default is None or default is False or default == "":
        return ""
    return f"`{default}`"


# --- parts of pages ------------------------------------------------------------------------


def divergence_part() -> str:
    """Return the table of divergences, in the order of TS.43."""
    rows = sorted(tables().divergences.values(), key=lambda row: _section_key(row.section))
    return table(
        ("TS.43", "id", "it says", "we do", "why", ""),
        (
            (
                f"§{row.section}",
                f"`{row.id}`",
                row.says,
                row.does,
                row.why,
                "" if row.default == "on" else "**off** by default",
            )
            for row in rows
        ),
    )


def _section_key(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.split("."))


def condition_part() -> str:
    """Return the table of what a condition may be about."""
    policy = default_policy()
    known = subjects(Names(plans=policy.plans.keys(), features=policy.features.keys()))
    return table(
        ("condition", "operators", "meaning"),
        ((f"`{name}`", _operators(known[name]), _MEANINGS[name]) for name in known),
    )


_MEANINGS: Mapping[str, str] = {
    "status": f"of the subscription: {', '.join(f'`{each}`' for each in SubscriptionStatus)}; "
    "only the first two ever get as far as the rules",
    "plan": "name of the subscription's plan, one of `[plans]`",
    "features": "what the plan contains, and options that the BSS tells of besides",
    "in_plan": "`true` if that has the feature in question",
    "bss_refuses": "`true` if the BSS refuses the feature in question",
    "tenure_d": "days for which the subscriber has been one, where the BSS tells it; what nobody "
    "knows is new",
    "companions": "how many of the line's companions have an eSIM, or one on its way",
    "active_companions": "how many of these have their service on",
    "terms": f"terms and conditions: {', '.join(f'`{each}`' for each in ConsentStatus)}",
    "address": "emergency address: the same words",
    "provisioning": "VoWiFi in the network: "
    + ", ".join(f"`{each.name.lower()}`" for each in ProvStatus),
    "area": f"the area in question: {', '.join(f'`{each}`' for each in Area)}",
    "visited_plmn": 'digits of the visited network, `""` where it is not known or too old; or the '
    "name of a list under `[networks]`",
    "visited_mcc": "the first three of them; or the name of a list under `[countries]`",
    "registration": "whether a network has the phone: "
    + ", ".join(f"`{each}`" for each in Registration),
    "tac": 'first eight digits of the IMEI, `""` where the terminal_id is none',
    "vendor": "terminal_vendor, without regard to case; phones often send dummies",
    "model": "terminal_model, likewise",
    "store": 'store_vendor of a request for ap2012, without regard to case; `""` for others',
    "purchases": "at that store: " + ", ".join(f"`{each}`" for each in Purchases),
    "kind": "of an eSIM: what is to be done: " + ", ".join(f"`{each}`" for each in Kind),
    "proof": "of an eSIM: how who asks has proved himself: "
    + ", ".join(f"`{each}`" for each in Way),
    "holder_proof": "the same words: as `proof`, and with a temporary token how the holder of the "
    "phone that lent it had proved himself",
    "sim_age_h": "of an eSIM: hours for which the line has had its SIM; what nobody knows is new",
    "imei_age_h": "of an eSIM: hours for which the asking phone has been known with this SIM",
    "port_freeze": "of an eSIM: `true` where the line is locked against being moved",
    "prepaid": "of an eSIM: `true` where the line was marked as prepaid",
    "number_type": "of an eSIM: of the line: " + ", ".join(f"`{each}`" for each in NumberType),
    "tac_list": "of an eSIM: what the list of TACs says of the device that gets it: "
    + ", ".join(f"`{each}`" for each in Listing),
    "eid_list": "of an eSIM: what the list of EIDs says of its eUICC: the same words",
    "feature": "the feature in question, for rules about several",
    "rollout": "a [roll-out](#roll-outs), which the subscription must be in, or not",
}


def _operators(subject: Subject) -> str:
    return ", ".join(f"`{operator}`" for operator in subject.operators)


def feature_part() -> str:
    """Return the table of built-in features."""
    rows = ((f"`{name}`", text) for name, text in FEATURES.items())
    return table(("feature", "meaning"), rows)


# --- writing -------------------------------------------------------------------------------


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/services.md": services,
    "docs/reference/requests.md": requests,
    "docs/reference/http.md": answers,
    "docs/reference/errors.md": error_page,
    "docs/reference/metrics.md": metric_page,
    "docs/reference/commands.md": command_page,
}
"""Pages that are generated as a whole."""

PARTS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("docs/divergences.md", "divergences"): divergence_part,
    ("docs/policy.md", "conditions"): condition_part,
    ("docs/policy.md", "features"): feature_part,
}
"""Generated parts of pages written by hand, by page and the name in their marks."""


def rendered() -> dict[str, str]:
    """Return every generated page, and every page with a generated part, as it must be."""
    found = {name: page() for name, page in PAGES.items()}
    for (name, mark), part in PARTS.items():
        text = found.get(name) or (ROOT / name).read_text("utf-8")
        found[name] = _replaced(text, mark, part())
    return found


def _replaced(text: str, mark: str, part: str) -> str:
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"the marks of {mark} are missing")
    return f"{head}{begin}\n{part}\n{end}{tail}"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or compare them; return the exit code."""
    stale = []
    for name, text in rendered().items():
        path = ROOT / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    known = reason_sources().keys() | page_reasons().keys() | partner_reasons().keys()
    missing = sorted(known - reason_meanings().keys())
    if missing:
        print(f"reasons without a meaning in {REASONS.name}: {', '.join(missing)}", file=sys.stderr)
        return 1
    if stale and "--check" in arguments:
        print(f"out of date, run: make docs ({', '.join(stale)})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
