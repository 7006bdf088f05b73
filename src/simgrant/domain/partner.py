"""Who else the operator lets ask about a subscription: application servers and apps."""

from __future__ import annotations

from dataclasses import field

from simgrant.nouns import noun


@noun
class Partner:
    """A third party as the operator's contract with it knows it."""

    name: str
    requestor_ids: frozenset[str] = frozenset()
    """What it calls itself in ``requestor_id``, in lower case."""
    client_ids: frozenset[str] = frozenset()
    """Its OAuth clients."""
    operations: frozenset[str] | None = None
    """Names of the operations it may ask for; None = every one that a token allows."""
    enterprises: frozenset[str] = frozenset()
    """Whom it may act for when it asks without any subscriber's token: ids in lower case."""
    needs_access_token: bool = True
    """Whether a token of a subscriber is not enough, and it has to prove itself too."""
    app_key: str = field(default="", repr=False)
    """The JWK or JWK Set (JSON) that its app tokens are signed with; empty = it makes none."""

    def may(self, operation: str) -> bool:
        """Say whether it may ask for an operation at all."""
        return self.operations is None or operation in self.operations

    def may_alone(self, operation: str) -> bool:
        """Say whether it may ask for an operation without any subscriber's token.

        Nobody but the operator says so then: what is not named is not allowed.
        """
        return self.operations is not None and operation in self.operations
