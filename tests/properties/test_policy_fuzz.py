# ruff: noqa: E501 - policy documents as their authors write them
"""A policy cannot harm: whatever the text and whatever the input, an answer comes, soon, and nothing else happens.

Damaged policies and hostile inputs go through the whole chain: reading, checking, compiling, binding, judging,
formatting, remarks, sentences and contrasts. In CI for about a minute; for as long as you like with
`./dev test tests/properties/test_policy_fuzz.py --hypothesis-profile=explore`.

"Soon" is measured in processor time, and what takes longer is interrupted where it stands, so that neither a busy
machine nor a fault that hangs makes a run that does not end. What fails is shown as it was drawn: making it smaller
would take up to five minutes, and looked like a hang itself.
"""

from __future__ import annotations

import ast
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from interlock.policy import BindFailure, Bound, Diagnostic, Policy, PolicyErrors, lint, load, plain, run_tests
from interlock.policy.contrast import contrast
from interlock.policy.layout import layout
from interlock.policy.schema import (
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IntType,
    StringType,
    TimestampType,
)
from tests.unit.policy.samples import CHEQUES, CHEQUES_POLICY
from tests.unit.policy.test_difference import OLD
from tests.unit.policy.test_proofs import policy

EXAMPLES = settings.default.max_examples if settings.default is not None else 100
"""100 in CI, 2,000 where somebody explores."""

SECONDS_MAX = 20.0
"""Of processor time for one text: dozens of times what the longest search for a contrast takes."""

AS_DRAWN = (Phase.explicit, Phase.reuse, Phase.generate)

pytestmark = pytest.mark.timeout(3_600)  # of the clock on the wall, which says nothing here


@contextmanager
def processor_time(seconds: float) -> Iterator[None]:
    """Interrupt what takes more processor time than this."""

    def over(_signal: int, frame: FrameType | None) -> None:
        where = "" if frame is None else f" in {frame.f_code.co_name}"
        raise AssertionError(f"more than {seconds:g} s of processor time{where}")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


PIECES = [
    "case.n", "proposal.amount", "case.order.total", "has(", "size(", ".orValue(0)", ".startsWith('a')", "(", ")", "[", "]",
    "{", "}", ",", ": ", "- ", "\n", "\n  ", "\n    ", "&&", "||", "!", "?", " : ", "==", "<", ">=", "in", "1", "0.005", "30d",
    "9" * 45, "-", "*", "/", "'", '"', "\\u0000", "\\ud800", "#", "&a", "*a", "!!python/object:os.system", "<<", "|", ">", "---",
    "true", "null", "id: x", "then: allow", "unless: 'true'", "for: pay", "__import__('os')", "case.__class__", "exec", "\t", "\x00",
    "\u2028", "😀", "case.tags", "in case.tags", "now", "timestamp('9999-12-31T23:59:59Z')", "params: {x: 1}", "define: {d: d}",
]  # fmt: skip

DOCUMENTS = [policy(OLD).source, CHEQUES_POLICY, policy(OLD, invariants="{i: {never: allow, when: case.n > 3}}").source]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A working document with a few wounds."""
    text = draw(st.sampled_from(DOCUMENTS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        size = draw(st.integers(0, 25))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.just(""), st.text(max_size=3)))
        match draw(st.integers(0, 3)):
            case 0:
                text = text[:at] + piece + text[at:]
            case 1:
                text = text[:at] + piece + text[at + size :]
            case 2:
                text = text[:at] + text[at : at + size] * 3 + text[at + size :]
            case _:
                other = draw(st.integers(0, len(text)))
                text = text[:at] + text[other : other + size] + text[at:]
    return text


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.sampled_from(["1e999", "-0", "١", "1" * 200, "NaN"]),
    st.just(10**400), st.binary(max_size=3),
)  # fmt: skip
HOSTILE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["amount", "n", "due", "order", "total", "tags", "name", "kind", "score", "x"]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
RAW = st.dictionaries(st.sampled_from(["proposal", "case", "advice", "now", "breaker"]), HOSTILE, max_size=5)


def loaded(text: str) -> Policy | None:
    """The policy, or None where it was refused, with a place and a message for each reason."""
    found: tuple[Diagnostic, ...] = ()
    try:
        return load(text, schema=None if "schema:" in text else CHEQUES, fallbacks=("ask_again",))
    except PolicyErrors as errors:
        found = errors.diagnostics
    assert found and all(one.line >= 1 and one.column >= 1 and one.message for one in found)
    return None


@st.composite
def fitting(draw: st.DrawFn, policy: Policy, action: str) -> dict[str, Any]:
    """Canonical values for what the rules for an action read, all of their types and in their bounds."""
    drawn: dict[str, Any] = {}
    for slot in policy.slots(action):
        match slot.type:
            case None | BoolType():
                value: Any = True if slot.type is None else draw(st.booleans())
            case IntType(lo, hi) | DurationType(lo, hi) | DecimalType(_, lo, hi):
                value = draw(st.integers(lo, hi))
            case TimestampType():
                value = draw(st.integers(0, 4 * 10**15))
            case EnumType(options):
                value = draw(st.sampled_from(options))
            case StringType(most):
                value = draw(st.text(st.sampled_from("ab"), max_size=min(most, 4)))
            case _:
                value = []
        drawn[slot.path] = None if slot.optional[-1] and slot.type is not None and draw(st.booleans()) else value
    return drawn


def judged(policy: Policy, action: str, bound: Bound) -> None:
    """Everything that is done with a verdict."""
    verdict = policy.judge(bound)
    assert policy.interpret(bound) == verdict
    policy.describe(verdict, bound)
    assert policy.bound_from_data(action, bound.to_data()) == bound
    for one in contrast(policy, bound).found:
        assert one.verdict.outcome != verdict.outcome


@settings(max_examples=24 * EXAMPLES, phases=AS_DRAWN)
@given(damaged(), st.data())
def test_a_damaged_policy_is_refused_or_judges_whatever_comes(text: str, data: st.DataObject) -> None:
    with processor_time(SECONDS_MAX):
        read_and_judged(text, data)


def read_and_judged(text: str, data: st.DataObject) -> None:
    try:
        laid = layout(text)
        assert layout(laid) == laid
    except PolicyErrors:
        pass
    found = loaded(text)
    event("loads" if found else "refused")
    if found is not None:
        lint(found)
        plain.sentences(found)
        run_tests(found)
        for action in found.schema.actions:
            raw = found.bind(action, data.draw(RAW))
            if isinstance(raw, BindFailure):
                assert raw.path and raw.why
            else:
                judged(found, action, raw)
            bound = found.bound_from_data(action, data.draw(fitting(found, action)))
            event(f"bound: {isinstance(bound, Bound)}")
            if isinstance(bound, Bound):
                judged(found, action, bound)


def forever() -> None:
    while True:
        pass


def test_what_hangs_is_interrupted() -> None:
    with pytest.raises(AssertionError, match=r"more than 0\.2 s of processor time in forever"), processor_time(0.2):
        forever()


JUDGING = policy(OLD, invariants="{i: {never: allow, for: pay, when: case.n > 3 && case.name != proposal.to}}")


@settings(max_examples=30 * EXAMPLES, phases=AS_DRAWN)
@given(
    st.sampled_from(list(JUDGING.schema.actions)),
    RAW,
    st.dictionaries(st.sampled_from([*JUDGING.inputs("pay"), "x"]), SCALARS),
)
def test_no_input_makes_binding_or_judging_raise(action: str, raw: dict[str, Any], record: dict[str, Any]) -> None:
    for bound in (JUDGING.bind(action, raw), JUDGING.bound_from_data(action, record)):
        if isinstance(bound, BindFailure):
            assert bound.path and bound.why
        else:
            assert JUDGING.interpret(bound) == JUDGING.judge(bound)


# --- what reaches the interpreter of Python ---------------------------------------------------------------------------

ALLOWED = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.If, ast.Raise, ast.Expr, ast.Name,
    ast.Load, ast.Store, ast.Constant, ast.Tuple, ast.Compare, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp,
    ast.Add, ast.Sub, ast.Mult, ast.BitOr, ast.IfExp, ast.Call, ast.Attribute, ast.Subscript, ast.Slice,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot,
)  # fmt: skip
ATTRIBUTES = {"startswith", "endswith", "__class__", "get", "isdigit", "isascii", "encode"}
NAMES = {"judge", "values", "mask", "len", "fast", "raw", "Unfit", "canonical", "dict", "int", "str", "n", "_"}

_seen: list[str] = []
_listening = False


def _hook(name: str, arguments: tuple[Any, ...]) -> None:
    if _listening and name == "compile" and arguments[1] in ("<policy rules>", "<policy inputs>"):
        _seen.append(arguments[0] if isinstance(arguments[0], str) else bytes(arguments[0]).decode())


@pytest.fixture
def generated() -> Iterator[list[str]]:
    """The Python that is compiled while the test runs. (An audit hook cannot be taken away, only told not to listen.)"""
    global _listening  # noqa: PLW0603
    if not getattr(sys, "_policy_hook", False):
        sys.addaudithook(_hook)
        sys._policy_hook = True  # pyright: ignore[reportAttributeAccessIssue]
    _seen.clear()
    _listening = True
    yield _seen
    _listening = False


HOSTILE_NAMES = r"""
policy: p
schema:
  actions: {pay: {args: {amount: decimal(2) 0..5}}}
  case:
    len: int 0..9
    judge: bool
    values?: string(40)
    __class__: 'enum "]) or exit(" | b'
    lists: {list: string(12), max: 3}
rules:
  - {id: a, when: 'case.len > 3 && case.judge && case.__class__ == "]) or exit("', then: deny}
  - id: b
    when: 'has(case.values) && case.values.startsWith("__import__(\"os\")") && !(case.values in ["\n", "\\"])'
    then: deny
  - {id: c, when: '"]) or exit(" in case.lists && size(case.lists) * 2 - 1 > 2 && (case.judge ? case.len : 3) == 3', then: allow}
default: {verdict: deny}
"""


@pytest.mark.parametrize("text", [HOSTILE_NAMES, *DOCUMENTS], ids=["hostile", "first", "cheques", "invariant"])
def test_what_is_compiled_is_of_a_closed_grammar(text: str, generated: list[str]) -> None:
    """No text of the document reaches Python but as a constant, and no name of the document at all."""
    assert loaded(text) is not None
    assert generated
    for source in generated:
        for node in ast.walk(ast.parse(source)):
            assert isinstance(node, ALLOWED), ast.dump(node)
            if isinstance(node, ast.Attribute):
                assert node.attr in ATTRIBUTES, node.attr
            if isinstance(node, ast.Name):
                assert node.id in NAMES or (node.id[0] in "vret" and node.id[1:].isdigit()), node.id
            if isinstance(node, ast.Call):
                assert isinstance(node.func, ast.Attribute) or (
                    isinstance(node.func, ast.Name) and node.func.id in ("len", "int", "canonical")
                )
