"""The policy kernel: versioned rules that judge a proposal. Pure and total; it reads no clock, no file and no network.

    document.py                    YAML with the place of every character
    schema.py, schema_text.py      what rules may read
    syntax.py                      expression text -> syntax tree
    check.py, scope.py, paths.py, agree.py    syntax tree -> typed tree
    tree.py, specialise.py         the typed tree, and a rule for one action
    compile.py                     typed tree -> generated Python
    interpret.py, cel.py           the reference, and the oracle's text
    bind.py, values.py             raw data -> checked inputs
    rules.py                       outcomes -> verdict
    load.py                        text -> Policy, or every mistake
    policy.py                      bind, judge, describe
    cases.py, trial.py             tests inside the document
    lint.py, knowledge.py, ranges.py    what its author cannot have meant, without a solver
    linear.py, wording.py          numbers as sums; conditions in words
    examples.py, boundaries.py, contrast.py    inputs made plain; the smallest change that flips a verdict
    proof/                         proofs, with the extra `prove`

`load` gives a Policy; `Policy.bind` and `Policy.judge` do the rest. Nothing is permitted unless a rule says so.
"""

from __future__ import annotations

from interlock.policy.bind import BindFailure, Bound
from interlock.policy.cases import PolicyTest
from interlock.policy.diagnostics import Diagnostic, PolicyErrors
from interlock.policy.lint import lint
from interlock.policy.load import load
from interlock.policy.policy import Policy, RuleOutcome
from interlock.policy.rules import Default, Invariant, Rule, verdict_text
from interlock.policy.schema import (
    ActionSchema,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    Field,
    IntType,
    InvisibleType,
    ListType,
    RecordType,
    Schema,
    StringType,
    TimestampType,
)
from interlock.policy.schema_text import schema_text
from interlock.policy.trial import TestResult, run_tests

__all__ = [
    "ActionSchema",
    "BindFailure",
    "BoolType",
    "Bound",
    "DecimalType",
    "Default",
    "Diagnostic",
    "DurationType",
    "EnumType",
    "Field",
    "IntType",
    "Invariant",
    "InvisibleType",
    "ListType",
    "Policy",
    "PolicyErrors",
    "PolicyTest",
    "RecordType",
    "Rule",
    "RuleOutcome",
    "Schema",
    "StringType",
    "TestResult",
    "TimestampType",
    "lint",
    "load",
    "run_tests",
    "schema_text",
    "verdict_text",
]
