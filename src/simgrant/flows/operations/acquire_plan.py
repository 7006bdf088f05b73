"""AcquirePlan: which plans an enterprise may choose for its devices (TS.43 §6.5.6)."""

from __future__ import annotations

from simgrant.flows import enterprise
from simgrant.flows.operations.operation import from_table

OPERATION = from_table(__name__, None, for_requestor=enterprise.operation(enterprise.acquire_plan))
