"""Policies of many rules: judging, replaying, checking and proving, beside Google's CEL in the same run.

The documents are made here: rules over amounts, kinds, flags and dates in the order that a policy wants, none alike.
CEL evaluates the conditions one after the other, as an engine without our combining would; it binds nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cel_expr_python import cel

from interlock.policy import Bound, Policy, lint, load
from interlock.policy.proof import compare, prove

TARGETS = (
    "12 rules at most 5 us with the mask, 200 at most 20 us, binding at most 15 us, 150,000 replayed decisions a "
    "second, checking 50 rules under 50 ms, an invariant under 0.1 s, lint and diff under 3 s at 200 rules"
)
NOW = 1_767_225_600_000_000

HEAD = """\
policy: bench
schema:
  actions:
    pay: {irreversible: true, args: {amount: decimal(2) 0..100000, kind: enum travel | meal | gift | other}}
  proposal: {source: enum advice | rule | person | agent, irreversible: bool, score?: decimal(6) 0..1}
  case:
    paid: decimal(2) 0..1000000
    orders: int 0..10000
    flags: {list: string(20), max: 10}
    since?: timestamp
rules:
"""

RAW: dict[str, Any] = {
    "proposal": {
        "amount": "120.50", "kind": "meal", "source": "advice", "irreversible": True, "score": "0.97", "action": "pay",
    },
    "case": {"paid": "300.00", "orders": 7, "flags": ["vip"], "since": NOW - 10**12, "status": "open"},
    "advice": {"agreed": 1, "rank": 1, "asked": 1},
    "breaker": {},
    "now": NOW,
}  # fmt: skip


def document(rules: int, *, limit: int = 90_000, invariants: int = 0) -> str:
    """A policy of that many rules, strictest first. `limit` is a figure in one of them, so that versions can differ."""
    denies, escalates = rules // 4, rules // 2
    lines: list[str] = []
    for n in range(denies):
        amount = limit if n == 0 else 50_000 + 10 * n
        lines.append(f"{{id: deny{n}, when: proposal.amount > {amount} && case.orders < {n + 3}, then: deny}}")
    for n in range(escalates):
        when = [
            f'"flag{n}" in case.flags && proposal.amount > {100 + n}',
            f"case.paid > {200_000 + 500 * n} && proposal.amount > {3_000 + n}",
            f'proposal.kind == "gift" && case.orders > {20 + 7 * n}',
        ][n % 3]
        lines.append(f"{{id: ask{n}, when: '{when}', then: escalate, to: group{n % 4}}}")
    lines += [
        f"{{id: allow{n}, when: proposal.amount <= {50 + 3 * n} && case.orders >= {n % 9}, then: allow}}"
        for n in range(rules - denies - escalates)
    ]
    text = HEAD + "".join(f"  - {line}\n" for line in lines) + "default: {verdict: escalate, to: desk}\n"
    if invariants:
        text += "invariants:\n" + "".join(
            f"  never{n}: {{never: allow, when: proposal.amount > {95_000 + n} && case.orders < 3}}\n"
            for n in range(invariants)
        )
    return text


def best(work: Callable[[], object], times: int, rounds: int = 7) -> float:
    """Least CPU seconds of one run of `work`, over rounds of `times` runs."""
    least = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            work()
        least = min(least, (time.process_time() - began) / times)
    return least


def run() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rules in (12, 200):
        policy = load(document(rules))
        bound = policy.bind("pay", RAW)
        if not isinstance(bound, Bound):
            raise SystemExit(f"The input of the policies benchmark does not bind: {bound}")
        found[f"{rules}_rules"] = judged(policy, bound)
    fifty = document(50)
    found["check_50_rules_ms"] = round(best(lambda: lint(load(fifty)), 3) * 1e3, 1)
    many = load(document(200))
    found["lint_200_rules_s"] = round(best(lambda: lint(many), 1, 3), 2)
    other = load(document(200, limit=91_000))
    found["diff_200_rules_s"] = round(best(lambda: compare(many, other), 1, 3), 2)
    with_one, with_nine = (load(document(12, invariants=n)) for n in (1, 9))
    found["invariant_12_rules_ms"] = round(
        (best(lambda: prove(with_nine), 1, 3) - best(lambda: prove(with_one), 1, 3)) / 8 * 1e3, 1
    )
    return found


def judged(policy: Policy, bound: Bound) -> dict[str, Any]:
    """One policy, one input."""
    data = bound.to_data()
    environment = cel.NewEnv(variables=dict.fromkeys(("proposal", "case", "advice", "breaker", "now"), cel.Type.DYN))
    compiled = [environment.compile(policy.cel_text(rule)) for rule in policy.rules]
    plain: dict[str, Any] = {}
    for path, value in data.items():
        root, _, rest = path.partition(".")
        if rest:
            plain.setdefault(root, {})[rest] = value
        else:
            plain[root] = value
    ours = best(lambda: policy.judge(bound), 2_000)

    def replay() -> None:
        again = policy.bound_from_data("pay", data)
        policy.judge(again)  # type: ignore[arg-type]  # it was bound from the same data above

    replayed = best(replay, 2_000)
    theirs = best(lambda: [one.eval(data=plain) for one in compiled], 50)
    return {
        "judge_us": round(ours * 1e6, 2),
        "bind_us": round(best(lambda: policy.bind("pay", RAW), 2_000) * 1e6, 2),
        "replayed_per_second": round(1 / replayed),
        "cel_us": round(theirs * 1e6, 1),
        "cel_over_ours": round(theirs / ours, 1),
    }
