"""Which policy a command is about: a file, a version that was published, or what is in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from simgrant.cli.common import BadUsage, Desk, Refused
from simgrant.nouns import noun

if TYPE_CHECKING:
    from simgrant.config.load import Loaded
    from simgrant.domain.policy import Policy

IN_FORCE: Final = "current"
"""The word for the policy that requests are decided by."""


@noun
class Chosen:
    """A policy and where it is from."""

    policy: Policy
    text: str
    where: str
    """For people: ``trial.toml``, ``version 3``."""


async def chosen(here: Desk, which: str) -> Chosen:
    """Return a policy by a file's path, a version's number or name, or ``current``.

    What is a file is taken for one. Raise BadUsage, and Refused with every mistake.
    """
    from simgrant.domain.policy import PolicyError
    from simgrant.flows.policies import number_of

    number = None if _is_file(which) else number_of(which)
    try:
        if which == IN_FORCE:
            return await _in_force(here)
        if number is not None:
            return await _version(here, number)
        return of_file(here.loaded, here.tenant.name, Path(which))
    except PolicyError as error:
        raise Refused("\n".join(f"{which}: {problem}" for problem in error.problems)) from None


def of_file(loaded: Loaded, tenant: str, path: Path) -> Chosen:
    """Return the policy of a file, with the tenant's words; raise BadUsage, PolicyError."""
    from simgrant.compose.policies import compiler
    from simgrant.domain.policy import named_by

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadUsage(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadUsage(f"{path}: is not UTF-8") from None
    policy = compiler(loaded)(tenant, text, named_by("policy", text))
    return Chosen(policy, text, str(path))


def _is_file(which: str) -> bool:
    return Path(which).is_file()


async def _in_force(here: Desk) -> Chosen:
    from simgrant.compose.policies import policy_desk, policy_of, text_of

    tenant = here.tenant.name
    if await here.store.policies.history(tenant, limit=1):
        policies = policy_desk(here.loaded, here.store, tenant, here.keys())
        found = await policies.in_force()
        if found is not None:
            published, policy = found
            text = await policies.text(published.version)
            return Chosen(policy, text, f"version {published.version.number}, in force")
    text, where = text_of(here.loaded, tenant)
    return Chosen(policy_of(here.loaded, tenant), text, f"{where}, in force")


async def _version(here: Desk, number: int) -> Chosen:
    from simgrant.compose.policies import policy_desk

    policies = policy_desk(here.loaded, here.store, here.tenant.name, here.keys())
    version = await policies.version(number)
    policy = await policies.policy(version)
    return Chosen(policy, await policies.text(version), f"version {number}")
