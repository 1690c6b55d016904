"""Generated code, tree interpreter, an independent specification, CEL and the solver agree; and a fault in any part of
the path from text to verdict would be noticed.

20,000 pairs here; `./dev exec python -m tests.properties.soundness --pairs 1000000` goes on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from interlock.policy import agree, bind, check, compile, interpret, policy, rules, specialise, syntax, tree
from interlock.policy.policy import Policy
from interlock.policy.proof import encode, question
from interlock.policy.schema import EnumType
from tests.properties.soundness.agreement import Disagreement, Tally, compare
from tests.properties.soundness.generator import document, raw_input

PAIRS = 20_000
PARTS = 2


@pytest.mark.parametrize("part", range(PARTS))
def test_everything_that_can_judge_agrees(part: int) -> None:
    tally, number = Tally(), 0
    while tally.pairs < PAIRS // PARTS:
        tally.add(compare(2026 + part, number, 200, oracle=number % 6 == 0, solver=3 * (number % 5 == 0)))
        number += 1
    assert tally.refused < tally.documents / 4
    assert tally.oracle > 500
    assert tally.solver > 10
    assert tally.unknown < tally.solver / 10


def test_a_pair_is_the_same_whenever_it_is_drawn() -> None:
    drawn = document("1/2")
    assert drawn == document("1/2")
    assert raw_input(drawn, "1/2/3") == raw_input(document("1/2"), "1/2/3")
    assert document("1/3").text != drawn.text


# --- planted faults ---------------------------------------------------------------------------------------------------

Fault = Callable[[pytest.MonkeyPatch], None]


def code_of(change: Callable[[tree.Node], tree.Node | str]) -> Fault:
    """Generated code for another node than the one that was meant, or other code."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        write = compile._code

        def wrong(node: tree.Node, names: Any) -> str:
            changed = change(node)
            return changed if isinstance(changed, str) else write(changed, names)

        patch.setattr(compile, "_code", wrong)

    return plant


def instead(module: Any, name: str, make: Callable[[Any], Any]) -> Fault:
    """Another function in place of one; `make` is given the right one."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(module, name, make(getattr(module, name)))

    return plant


def source_of(module: Any, name: str, right: str, wrong: str) -> Fault:
    """A function with one piece of its text replaced."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        holder = module
        *above, last = name.split(".")
        for part in above:
            holder = getattr(holder, part)
        text = inspect.cleandoc("\n" + inspect.getsource(getattr(holder, last)))
        assert text.count(right) == 1, f"{right!r} is in {name} {text.count(right)} times"
        scope = vars(module)
        made: dict[str, Any] = {}
        exec("from __future__ import annotations\n" + text.replace(right, wrong), scope, made)
        patch.setattr(holder, last, made[last])
        for user in (policy, question):  # where it was imported by name
            if hasattr(user, last):
                patch.setattr(user, last, made[last])

    return plant


def without_unless(generate: Any) -> Any:
    return lambda trees, paths, shift: generate([(bit, when, None) for bit, when, _ in trees], paths, shift)


def no_enum_check(leaf: Any) -> Any:
    def wrong(self: Any, index: int, indent: int) -> None:
        if isinstance(self._slots[index].type, EnumType):
            self._line(indent, "pass")
        else:
            leaf(self, index, indent)

    return wrong


def last_fallback(combine: Any) -> Any:
    def wrong(all_rules: Any, default: Any, mask: int, excused: int) -> Any:
        return combine(
            tuple(replace(one, fallback=all_rules[-2].fallback) if one.fallback else one for one in all_rules),
            default,
            mask,
            excused,
        )

    return wrong


FAULTS: dict[str, Fault] = {
    # generated code alone
    "<= is <": code_of(lambda n: replace(n, operator="<") if isinstance(n, tree.Compare) and n.operator == "<=" else n),
    "== is <=": code_of(
        lambda n: replace(n, operator="<=") if isinstance(n, tree.Compare) and n.operator == "==" else n
    ),
    "minus is plus": code_of(lambda n: replace(n, minus=False) if isinstance(n, tree.Sum) else n),
    "negation is lost": code_of(lambda n: replace(n, factor=abs(n.factor)) if isinstance(n, tree.Times) else n),
    "branches are swapped": code_of(
        lambda n: tree.If(n.condition, n.otherwise, n.then) if isinstance(n, tree.If) else n
    ),
    "has is always so": code_of(lambda n: "True" if isinstance(n, tree.Has) else n),
    "a list of constants loses its last": code_of(
        lambda n: replace(n, values=n.values[:-1]) if isinstance(n, tree.Consts) and len(n.values) > 1 else n
    ),
    "startsWith is contains": code_of(
        lambda n: replace(n, function="contains") if isinstance(n, tree.Text) and n.function == "startsWith" else n
    ),
    "unless is forgotten": instead(policy, "generate", without_unless),
    # the tree interpreter alone
    "interpreted >= is >": lambda patch: patch.setitem(interpret._COMPARE, ">=", interpret._COMPARE[">"]),
    # a rule for one action
    "a decided chain goes on": source_of(
        specialise, "_chain", "(FALSE, TRUE) if conjunction", "(TRUE, FALSE) if conjunction"
    ),
    "a negation is folded away": instead(specialise, "negated", lambda negated: lambda node: node),
    "!= of the action is ==": source_of(specialise, "specialise", '(operator == "==")', "True"),
    # what both evaluators share: only the specification can tell
    "scales are not brought together": instead(agree, "rescaled", lambda rescaled: lambda node, kind, scale: node),
    "decimals are cut to two places": instead(
        check, "number", lambda number: lambda text: number(text[: text.find(".") + 3] if "." in text else text)
    ),
    "a minute has a thousand seconds": lambda patch: patch.setitem(syntax.DURATION_UNITS, "m", 1_000_000_000),
    "minus leans to the right": source_of(syntax, "_Parser._sum", "right = self._product()", "right = self._sum()"),
    "excused rules hold": source_of(rules, "combine", "mask & ~excused", "mask"),
    "the laxest wins": source_of(rules, "combine", "min(held", "max(held"),
    "the last fallback counts": instead(policy, "combine", last_fallback),
    "fewest approvals": source_of(rules, "merged", "max(group.approvals", "min(group.approvals"),
    "one approval is enough": source_of(rules, "discharge", "group.name not in approved", "not approved"),
    "approval passes over fallbacks": source_of(rules, "discharge", "if fallbacks:", "if False:"),
    "invariants never break": instead(Policy, "violated", lambda violated: lambda self, bound, verdict: ()),
    # binding
    "enums are not checked": instead(bind._Writer, "leaf", no_enum_check),
    "a missing optional is refused": source_of(bind, "_find", "if slot.optional[depth] else", "if False else"),
    # the solver
    "proved with < for <=": source_of(
        encode, "Encoder._compare", "return solver.at_most(left, right)", "return solver.less(left, right)"
    ),
    "proved without unless": source_of(encode, "outcomes", "if unless is not None:", "if False:"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[name](monkeypatch)
    solver = 12 if name.startswith("proved") else 0
    with pytest.raises(Disagreement, match="--seed 7 --document"):
        search(solver)


def search(solver: int) -> None:
    for number in range(300):
        compare(7, number, 12, solver=solver)


def test_without_a_fault_the_same_documents_agree() -> None:
    """What the faults are measured against."""
    for number in range(20):
        compare(7, number, 12, solver=2)
