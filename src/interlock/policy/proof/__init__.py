"""Proofs about policies: never on the live path, and only with the extra `prove`.

    smt.py                     the solver; the one module that knows z3
    variables.py, encode.py    inputs and typed trees as the solver's terms
    question.py                one action of one or two policies, ready to be asked about
    proving.py, guards.py      invariants, rules, conflicts, the default; irreversible actions
    difference.py, regions.py  two versions compared; regions of inputs in words
    findings.py                what comes out

INVARIANT: nothing outside of this package and of the command line imports it; without the extra everything else works.
"""

from __future__ import annotations

from interlock.policy.proof.difference import Change, Difference, compare
from interlock.policy.proof.findings import Finding, Proof
from interlock.policy.proof.proving import prove
from interlock.policy.proof.smt import available

__all__ = ["Change", "Difference", "Finding", "Proof", "available", "compare", "prove"]
