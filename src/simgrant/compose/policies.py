"""Where policies come from: files, the package, the store; the one place that compiles them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from simgrant.adapters.expressions.cel import open_expressions
from simgrant.config import texts as shipped
from simgrant.config.load import Loaded
from simgrant.domain.policy import Policy, PolicyError, default_policy_text, named_by, parse_policy
from simgrant.domain.words import Words
from simgrant.domain.words_file import read_words
from simgrant.errors import StartRefused
from simgrant.flows.live_policies import LivePolicies
from simgrant.flows.policies import Compile, PolicyDesk
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.services import SERVICES
from simgrant.services.own import refuse_taken
from simgrant.telemetry.metrics import Metrics

T = TypeVar("T")

PORTAL_WORDS = "portal"
"""Where a tenant's words for the portal are in its file."""
ESIM_WORDS = "esim"
"""And for what phones show of eSIM orders."""


def compiler(loaded: Loaded) -> Compile:
    """Return what compiles tenants' policies, each with the tenant's words, read once.

    It raises PolicyError, and StartRefused for words that are no use.
    """
    words_of, expressions = cache(partial(words, loaded)), open_expressions()

    def compile_(tenant: str, text: str, version: str) -> Policy:
        policy = parse_policy(
            text, version=version, words=words_of(tenant), expressions=expressions
        )
        refuse_taken(policy, SERVICES)
        return policy

    return compile_


def words(loaded: Loaded, tenant: str) -> Words:
    """Return what a tenant says otherwise; raise StartRefused with every problem of the file."""
    settings = loaded.tenants[tenant]
    if not settings.texts:
        return Words(settings.language)
    texts = {
        PORTAL_WORDS: shipped.portal()[0],
        ESIM_WORDS: shipped.esim(),
        **{app_id: service.texts for app_id, service in SERVICES.items()},
    }
    path = loaded.path(settings.texts)
    with _told("texts", path):
        return read_words(_text("texts", path), language=settings.language, services=texts)


def policy_of(loaded: Loaded, tenant: str, compile_: Compile | None = None) -> Policy:
    """Return the policy of a tenant's file, with its words; StartRefused with every problem.

    It is the one in force where the tenant never published another.
    """
    text, where = text_of(loaded, tenant)
    with _told("policy", where):
        return (compile_ or compiler(loaded))(tenant, text, file_version(loaded, tenant, text))


def text_of(loaded: Loaded, tenant: str) -> tuple[str, str]:
    """Return the text of a tenant's file, or the packaged one, and where it is."""
    named = loaded.tenants[tenant].policy
    if not named:
        return default_policy_text(), "built in"
    path = loaded.path(named)
    return _text("policy", path), str(path)


def file_version(loaded: Loaded, tenant: str, text: str) -> str:
    """Return what the policy of a file is called."""
    kind = "policy" if loaded.tenants[tenant].policy else "default"
    return named_by(kind, text)


def policy_desk(loaded: Loaded, store: Store, tenant: str, keys: Keys) -> PolicyDesk:
    """Return what is done with the policies that a tenant published."""
    return PolicyDesk(store.policies, tenant, keys=keys, compile_=compiler(loaded))


async def in_force(
    loaded: Loaded, store: Store, tenant: str, open_keys: Callable[[], Keys]
) -> Policy:
    """Return the policy that a tenant's requests are decided by: the store's, else its file's.

    The key ring is opened where something was published. Raise Conflict where that is not as it was
    signed, StartRefused where the policy cannot be read.
    """
    if not await store.policies.history(tenant, limit=1):
        return policy_of(loaded, tenant)
    with _told("policy", "that was published"):
        found = await policy_desk(loaded, store, tenant, open_keys()).in_force()
    return policy_of(loaded, tenant) if found is None else found[1]


async def open_policies(
    loaded: Loaded, store: Store, keys: Keys, metrics: Metrics, clock: Clock
) -> LivePolicies:
    """Return every tenant's policy, to be run; StartRefused where one is no use."""
    compile_ = compiler(loaded)

    def of_file(tenant: str) -> Callable[[], Policy]:
        return lambda: policy_of(loaded, tenant, compile_)

    policies = LivePolicies(
        store.policies,
        keys=keys,
        of_file={name: of_file(name) for name in loaded.tenants},
        compile_=compile_,
        clock=clock,
        metrics=metrics,
    )
    await policies.load()
    return policies


def _text(what: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StartRefused(f"{what} {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StartRefused(f"{what} {path}: {error}") from None


@contextmanager
def _told(what: str, where: object) -> Iterator[None]:
    """Raise StartRefused for a PolicyError, with the file in each line."""
    try:
        yield
    except PolicyError as error:
        lines = (f"{what} {where}: {problem}" for problem in error.problems)
        raise StartRefused("\n".join(lines)) from None
