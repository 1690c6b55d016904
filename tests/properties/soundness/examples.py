"""The example policies whose own tests and invariants are tried."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from interlock.policy import Policy, Schema, load
from interlock.releases import load_release

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ("access", "cheques", "refunds")

AUTOMATIONS = {"cheques": "src/interlock/demo/cheques", "refunds": "examples/refunds"}


@cache
def example(name: str) -> tuple[Policy, Schema | None]:
    """A policy, and the schema that it has from an automation."""
    if name == "access":
        return load((ROOT / "examples/policies/access.yaml").read_text(), file="access.yaml"), None
    policy = load_release(ROOT / AUTOMATIONS[name]).program.policy
    return policy, policy.schema
