# ruff: noqa: E501, PERF401 - grammar tables are read as tables; draws stand in their order
"""What holds for every policy and every input.

Policies are drawn as text from a typed grammar over one schema, guarded and unguarded reads mixed: what the checker refuses
must be refused for a missing guard, and what it accepts must evaluate, whatever is absent. The generated code, the reference
interpreter and Google's CEL must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from interlock.policy import (
    ActionSchema,
    BindFailure,
    BoolType,
    Bound,
    DecimalType,
    DurationType,
    EnumType,
    Field,
    IntType,
    ListType,
    PolicyErrors,
    RecordType,
    Schema,
    StringType,
    TimestampType,
    load,
)
from interlock.policy.policy import Policy
from interlock.policy.rules import STRICTNESS
from interlock.vocabulary.verdict import Verdict

NOW = 1_767_225_600_000_000
R, F = RecordType, Field
SCHEMA = Schema.standard(
    actions={
        "pay": ActionSchema(
            R({"amount": F(DecimalType.of(2, 0, 10_000)), "note": F(StringType(5), optional=True)}), True
        ),
        "move": ActionSchema(R({"amount": F(DecimalType.of(2, -50, 50), optional=True)}), False),
        "drop": ActionSchema(R({"why": F(EnumType(("late", "lost")))}), False),
    },
    case=R(
        {
            "p": F(BoolType()),
            "q": F(BoolType(), optional=True),
            "n": F(IntType(-9, 9)),
            "m": F(IntType(0, 5), optional=True),
            "cash": F(DecimalType.of(3, -5, 5)),
            "kind": F(EnumType(("a", "b", "c"))),
            "tag": F(StringType(4), optional=True),
            "tags": F(ListType(StringType(4), 3)),
            "sums": F(ListType(DecimalType.of(1, 0, 9), 3), optional=True),
            "since": F(TimestampType(), optional=True),
            "wait": F(DurationType(0, 10**12)),
            "order": F(
                R(
                    {
                        "total": F(DecimalType.of(2, 0, 99)),
                        "paid": F(BoolType(), optional=True),
                        "inner": F(R({"k": F(IntType(0, 3))}), optional=True),
                    }
                ),
                optional=True,
            ),
        }
    ),
    statuses=("open", "shut"),
    dependencies=("bank",),
)

# --- expressions as text ---------------------------------------------------------------------------------------------

PLAIN_NUMBERS = (
    "case.n",
    "case.cash",
    "case.in_doubt",
    "case.count.pay",
    "advice.agreed",
    "size(case.tags)",
    "size(case.kind)",
)
OPTIONAL_NUMBERS = ("case.m", "case.order.total", "case.order.inner.k", "proposal.score", "proposal.amount")
TEXTS = ("case.kind", "case.status", "breaker.bank", "proposal.source")
OPTIONAL_TEXTS = ("case.tag", "proposal.note", "proposal.why")
OPTIONALS = (
    "case.q",
    *OPTIONAL_NUMBERS,
    *OPTIONAL_TEXTS,
    "case.since",
    "case.order",
    "case.order.paid",
    "case.order.inner",
    "case.sums",
)
ENUMS = {
    "case.kind": ("a", "b", "c"), "case.status": ("open", "shut"), "breaker.bank": ("closed", "half_open", "open"),
    "proposal.source": ("advice", "rule", "person", "agent"), "proposal.action": ("pay", "move", "drop"),
}  # fmt: skip
CONSTANTS = st.sampled_from(["0", "1", "2", "-1", "3.5", "0.05", "1.001", "12", "limit"])
DURATIONS = st.sampled_from(["1h", "0s", "2d", "case.wait", "window", "case.wait * 2", "(now - case.first_event_at)"])


@st.composite
def numbers(draw: st.DrawFn, depth: int) -> str:
    match draw(st.integers(0, 7 if depth > 0 else 3)):
        case 0 | 1:
            return draw(st.sampled_from(PLAIN_NUMBERS))
        case 2:
            return draw(CONSTANTS)
        case 3:
            path = draw(st.sampled_from(OPTIONAL_NUMBERS))
            return f"{path}.orValue({draw(CONSTANTS)})" if draw(st.integers(0, 5)) else path
        case 4 | 5:
            operator = draw(st.sampled_from(["+", "-"]))
            return f"({draw(numbers(depth=depth - 1))} {operator} {draw(numbers(depth=depth - 1))})"
        case 6:
            return f"({draw(st.sampled_from(['2', '1.5', '-3', 'limit']))} * {draw(numbers(depth=0))})"
        case _:
            return f"({draw(conditions(depth=depth - 1))} ? {draw(numbers(depth=depth - 1))} : {draw(numbers(depth=depth - 1))})"


@st.composite
def conditions(draw: st.DrawFn, depth: int) -> str:
    if depth > 0 and draw(st.integers(0, 2)):
        match draw(st.integers(0, 5)):
            case 0:
                return f"!({draw(conditions(depth=depth - 1))})"
            case 1:
                a, b, c = (draw(conditions(depth=depth - 1)) for _ in range(3))
                return f"(({a}) ? ({b}) : ({c}))"
            case 2:
                path = draw(st.sampled_from(OPTIONAL_NUMBERS))
                guard, join = draw(st.sampled_from([("", "&&"), ("!", "||")]))
                return f"({guard}has({path}) {join} {path} > {draw(numbers(depth=0))})"
            case _:
                parts = draw(st.lists(conditions(depth=depth - 1), min_size=2, max_size=3))
                return "(" + draw(st.sampled_from([" && ", " || "])).join(parts) + ")"
    match draw(st.integers(0, 11)):
        case 0:
            return draw(
                st.sampled_from(["case.p", "true", "false", "known", "case.q.orValue(true)", "proposal.irreversible"])
            )
        case 1:
            return f"has({draw(st.sampled_from(OPTIONALS))})"
        case 2 | 3:
            path = draw(st.sampled_from(["proposal.action", *TEXTS]))
            operator = draw(st.sampled_from(["==", "!="]))
            return f'{path} {operator} "{draw(st.sampled_from(ENUMS[path]))}"'
        case 4:
            path = draw(st.sampled_from(["proposal.action", *TEXTS]))
            values = draw(st.lists(st.sampled_from(ENUMS[path]), max_size=2))
            return f"{path} in [{', '.join(repr(value) for value in values)}]"
        case 5:
            path = draw(st.sampled_from(OPTIONAL_TEXTS))
            test = draw(st.sampled_from(["startsWith", "endsWith", "contains"]))
            return f'has({path}) && {path}.{test}("{draw(st.sampled_from(["l", "a", "", "e"]))}")'
        case 6:
            return draw(
                st.sampled_from(
                    [
                        '"vip" in case.tags',
                        "has(case.tag) && case.tag in case.tags",
                        "has(case.sums) && 3.5 in case.sums",
                        "has(case.sums) && case.n in case.sums",
                    ]
                )
            )
        case 7:
            return f"{draw(DURATIONS)} < {draw(DURATIONS)}"
        case 8:
            return f"now - case.since.orValue(now) >= {draw(DURATIONS)}"
        case 9:
            return f"{draw(numbers(depth=1))} in [1, 2.5, limit]"
        case _:
            operator = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
            return f"{draw(numbers(depth=2))} {operator} {draw(numbers(depth=2))}"


@st.composite
def rule_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for then in ("deny", "escalate", "fallback", "allow"):
        for _ in range(draw(st.integers(0, 2))):
            rule: dict[str, Any] = {"id": f"r{len(found)}", "when": draw(conditions(depth=2)), "then": then}
            if draw(st.integers(0, 3)) == 0:
                rule["for"] = draw(
                    st.lists(st.sampled_from(["pay", "move", "drop"]), min_size=1, max_size=2, unique=True)
                )
            if draw(st.integers(0, 3)) == 0:
                rule["unless"] = draw(conditions(depth=1))
            if then in ("escalate", "fallback"):
                rule["to"] = draw(st.sampled_from(["x", "y"]))
            found.append(rule)
    return found


def document(rules: list[dict[str, Any]], default: str = "{verdict: escalate, to: z}") -> str:
    lines = [
        "policy: p",
        "params: {limit: 2.50, window: 1d}",
        'define: {known: has(case.order.total) || proposal.action == "drop"}',
        "rules:",
    ]
    for rule in rules:
        lines.append(f"  - id: {rule['id']}")
        lines.extend(f"    {key}: {rule[key]}" for key in ("then", "to") if key in rule)
        if "for" in rule:
            lines.append(f"    for: [{', '.join(rule['for'])}]")
        for key in ("when", "unless"):
            if key in rule:
                lines.append(f"    {key}: |\n      {rule[key]}")
    # Both names are used by a rule that holds for nobody, so that no draw is refused for an unused one.
    lines.append("  - {id: last, when: 'false && known && limit > 1 && window > 1h', then: allow}")
    return "\n".join([*lines, f"default: {default}", ""])


def loaded(text: str) -> Policy | None:
    """The policy, or None where it was refused for nothing but missing guards."""
    try:
        return load(text, schema=SCHEMA, fallbacks=("x", "y"))
    except PolicyErrors as errors:
        found = errors
    assert {one.code for one in found.diagnostics} <= {"maybe_missing", "not_for_action"}, f"{found}\n{text}"
    return None


def raw_of(type_: Any) -> st.SearchStrategy[Any]:
    match type_:
        case BoolType():
            return st.booleans()
        case IntType(lo, hi):
            return st.integers(lo, min(hi, 5))
        case DecimalType(scale, lo, hi):
            return st.integers(lo, hi).map(
                lambda n: f"{'-' if n < 0 else ''}{abs(n) // 10**scale}.{abs(n) % 10**scale:0{scale}d}"
            )
        case StringType(most):
            return st.text(alphabet="alev ü😀", max_size=min(most, 4))
        case EnumType(values):
            return st.sampled_from(values)
        case TimestampType():
            return st.integers(NOW - 10**12, NOW + 10**11)
        case DurationType(lo, hi):
            return st.integers(lo, hi)
        case ListType(item, most):
            return st.lists(
                st.sampled_from(["vip", "a", ""]) if isinstance(item, StringType) else raw_of(item), max_size=most
            )
        case RecordType(fields):
            wanted = {name: raw_of(f.type) for name, f in fields.items() if not f.optional}
            return st.fixed_dictionaries(
                wanted, optional={name: raw_of(f.type) for name, f in fields.items() if f.optional}
            )
        case _:
            raise AssertionError(type_)


def raw_inputs(action: str) -> st.SearchStrategy[dict[str, Any]]:
    return raw_of(RecordType(SCHEMA.roots(action)))


ACTIONS = st.sampled_from(list(SCHEMA.actions))


def bound_of(policy: Policy, action: str, raw: Mapping[str, Any]) -> Bound:
    bound = policy.bind(action, raw)
    assert isinstance(bound, Bound), bound
    return bound


# --- properties ------------------------------------------------------------------------------------------------------


@settings(max_examples=80)
@given(st.data(), rule_lists(), ACTIONS)
def test_generated_code_equals_the_interpreter_and_neither_raises(
    data: st.DataObject, rules: list[dict[str, Any]], action: str
) -> None:
    policy = loaded(document(rules))
    event("accepted" if policy else "refused for a missing guard")
    assume(policy is not None)
    assert policy is not None
    for _ in range(3):
        bound = bound_of(policy, action, data.draw(raw_inputs(action)))
        verdict = policy.judge(bound)
        assert policy.interpret(bound) == verdict
        assert verdict.outcome in STRICTNESS
        assert policy.bound_from_data(action, bound.to_data()) == bound
        assert len(policy.describe(verdict, bound)) == len(policy.rules) + verdict.default
        assert policy.judge_with(bound, ["x", "z"]).outcome != "escalate" or "y" in {g.name for g in verdict.groups}


def canonical_tree(policy: Policy, action: str, bound: Bound) -> dict[str, Any]:
    """Bound inputs as nested data of exact integers: what the CEL text is about."""
    tree: dict[str, Any] = {"proposal": {"action": action}, "case": {}, "advice": {}, "breaker": {}, "now": 0}
    for path, value in zip(bound.paths, bound.values, strict=True):
        if value is None:
            continue
        *above, name = path.split(".")
        here = tree
        for part in above:
            here = here.setdefault(part, {})
        if value is True and path in ("case.order", "case.order.inner"):
            here.setdefault(name, {})
        else:
            here[name] = list(value) if isinstance(value, tuple) else value
    return tree


CEL = cel.NewEnv(variables=dict.fromkeys(("proposal", "case", "advice", "breaker", "now"), cel.Type.DYN))


@settings(max_examples=100)
@given(st.data(), conditions(depth=3), ACTIONS)
def test_the_oracle_agrees(data: st.DataObject, when: str, action: str) -> None:
    policy = loaded(document([{"id": "r", "when": when, "then": "deny"}]))
    assume(policy is not None)
    assert policy is not None
    expression = CEL.compile(policy.cel_text(policy.rules[0]))
    for _ in range(2):
        bound = bound_of(policy, action, data.draw(raw_inputs(action)))
        oracle = expression.eval(data=canonical_tree(policy, action, bound)).value()
        assert oracle is (policy.judge(bound).mask & 1 == 1), policy.cel_text(policy.rules[0])


NUMBERS = [
    "case.n",
    "case.k",
    "2",
    "3",
    "7",
    "size(case.word)",
    "-case.n",
    "- 2",
    "(case.n - case.k)",
    "2 * case.n * 3",
]
BOOLS = ["case.p", "case.q", "!case.p", "! !case.q", "true", "!(case.p || case.q)"]
SMALL = Schema(
    actions={"go": ActionSchema()},
    case=R(
        {
            "n": F(IntType(-9, 9)),
            "k": F(IntType(-9, 9)),
            "p": F(BoolType()),
            "q": F(BoolType()),
            "word": F(StringType(9)),
        }
    ),
)
SMALL_CEL = cel.NewEnv(variables={"case": cel.Type.DYN})


@st.composite
def rows(draw: st.DrawFn) -> str:
    """Operands and operators in a row with few parentheses: what it means is precedence and associativity."""

    def sums() -> str:
        parts = [draw(st.sampled_from(NUMBERS))]
        for _ in range(draw(st.integers(0, 3))):
            parts.append(draw(st.sampled_from(["+ ", "- ", "* 2 + ", "- 3 * "])) + draw(st.sampled_from(NUMBERS)))
        return " ".join(parts)

    def relation() -> str:
        if draw(st.booleans()):
            return draw(st.sampled_from(BOOLS))
        compared = f"{sums()} {draw(st.sampled_from(['==', '!=', '<', '<=', '>', '>=']))} {sums()}"
        return compared + draw(st.sampled_from(["", "", " == case.p", " != !case.q == true"]))

    parts = [relation()]
    for _ in range(draw(st.integers(0, 4))):
        parts.append(draw(st.sampled_from(["&&", "||"])) + " " + relation())
    row = " ".join(parts)
    if draw(st.integers(0, 2)) == 0:
        row = f"{row} ? {relation()} : {relation()}" + draw(st.sampled_from(["", f" ? {relation()} : {relation()}"]))
    return row


@settings(max_examples=150)
@given(rows(), st.integers(-9, 9), st.integers(-9, 9), st.booleans(), st.booleans())
def test_the_same_text_means_the_same_in_cel(when: str, n: int, k: int, p: bool, q: bool) -> None:
    text = f"policy: p\nrules:\n  - id: r\n    then: deny\n    when: |\n      {when}\ndefault: {{verdict: escalate, to: x}}\n"
    policy = load(text, schema=SMALL)
    raw = {"case": {"n": n, "k": k, "p": p, "q": q, "word": "wörd"}}
    verdict = policy.judge(bound_of(policy, "go", raw))
    assert SMALL_CEL.compile(when).eval(data=raw).value() is (verdict.outcome == "deny")


def laxity(verdict: Verdict) -> int:
    return STRICTNESS[verdict.outcome]


@settings(max_examples=40)
@given(st.data(), rule_lists(), conditions(depth=1), st.sampled_from(["deny", "escalate"]), ACTIONS)
def test_adding_a_guard_can_only_tighten(
    data: st.DataObject, rules: list[dict[str, Any]], when: str, then: str, action: str
) -> None:
    guard = {"id": "guard", "when": when, "then": then, **({"to": "x"} if then == "escalate" else {})}
    at = next((i for i, rule in enumerate(rules) if STRICTNESS[rule["then"]] > (then == "escalate")), len(rules))
    before, after = loaded(document(rules)), loaded(document([*rules[:at], guard, *rules[at:]]))
    assume(before is not None and after is not None)
    assert before is not None
    assert after is not None
    raw = data.draw(raw_inputs(action))
    old, new = before.judge(bound_of(before, action, raw)), after.judge(bound_of(after, action, raw))
    assert laxity(new) <= laxity(old)
    if old.outcome == new.outcome == "escalate" and not old.default:
        assert {group.name for group in old.groups} <= {group.name for group in new.groups}


@settings(max_examples=40)
@given(st.data(), rule_lists(), st.lists(st.sampled_from(["x", "y", "z"]), unique=True), ACTIONS)
def test_approvals_never_touch_a_deny_and_never_ask_for_more(
    data: st.DataObject, rules: list[dict[str, Any]], approved: list[str], action: str
) -> None:
    policy = loaded(document(rules, data.draw(st.sampled_from(["{verdict: deny}", "{verdict: escalate, to: z}"]))))
    assume(policy is not None)
    assert policy is not None
    bound = bound_of(policy, action, data.draw(raw_inputs(action)))
    plain, with_ = policy.judge(bound), policy.judge_with(bound, approved)
    assert (with_.mask, with_.excused) == (plain.mask, plain.excused)
    if plain.outcome != "escalate":
        assert with_ == plain
    else:
        assert set(with_.groups) == {group for group in plain.groups if group.name not in approved}
        assert with_.by_approval == (with_.outcome == "allow")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["1.00", "2026-01-01T00:00:00Z", "P1D"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["amount", "order", "total", "n", "tags", "case", "proposal"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
EVERYTHING = load(
    "policy: p\nrules:\n"
    + "".join(
        f"  - {{id: {name}, for: [pay, move], when: '{path} == {path}', then: deny}}\n"
        for name, path in [
            ("a", "case.n"),
            ("b", "case.cash"),
            ("c", "case.kind"),
            ("d", "case.wait"),
            ("e", "now"),
            ("f", "case.p"),
        ]
    )
    + "".join(
        f"  - {{id: h{i}, for: [pay, move], when: 'has({path})', then: deny}}\n"
        for i, path in enumerate(OPTIONALS)
        if path not in ("proposal.why", "proposal.note")
    )
    + "  - {id: z, when: '\"a\" in case.tags', then: deny}\ndefault: {verdict: deny}\n",
    schema=SCHEMA,
)


@settings(max_examples=200)
@given(st.data(), st.sampled_from(["pay", "move"]))
def test_the_fast_binder_equals_the_reference_on_any_data(data: st.DataObject, action: str) -> None:
    raw = data.draw(raw_inputs(action))
    for _ in range(data.draw(st.integers(0, 2))):
        here = raw
        path = data.draw(st.sampled_from(EVERYTHING.inputs(action))).split(".")
        for part in path[: data.draw(st.integers(0, len(path) - 1))]:
            below = here.get(part)
            if not isinstance(below, dict):
                break
            here = below
        here[data.draw(st.sampled_from(path))] = data.draw(JUNK)
    inputs = EVERYTHING._programs[action].inputs  # pyright: ignore[reportPrivateUsage]
    got = EVERYTHING.bind(action, raw)
    event(type(got).__name__)
    assert got == inputs.reference(raw)
    if isinstance(got, Bound):
        assert EVERYTHING.judge(got) == EVERYTHING.interpret(got)
        assert EVERYTHING.bound_from_data(action, got.to_data()) == got
    else:
        assert isinstance(got, BindFailure)


@settings(max_examples=150)
@given(st.sampled_from(["pay", "move"]), st.dictionaries(st.sampled_from([*EVERYTHING.inputs("pay"), "x"]), JUNK))
def test_a_tampered_record_is_refused_or_judged_but_never_raises(action: str, data: dict[str, Any]) -> None:
    bound = EVERYTHING.bound_from_data(action, data)
    if isinstance(bound, Bound):
        EVERYTHING.judge(bound)


@settings(max_examples=200)
@given(JUNK, ACTIONS)
def test_binding_never_raises(raw: Any, action: str) -> None:
    assert isinstance(EVERYTHING.bind(action, raw), BindFailure | Bound)
