"""The demo's policy: binding the input and judging it with its trace, on inputs that reach different rules."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.setting import folder
from interlock.kernel.decide import policy_input
from interlock.policy import Bound
from interlock.releases import load_release
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.facts import Facts
from interlock.vocabulary.proposal import Proposal

TARGETS = "12 rules at most 5 us with trace, binding the input at most 15 us"
ROUNDS = 20_000


def run() -> dict[str, Any]:
    with folder() as path:
        release = load_release(path)
    program = release.program
    record = CaseRecord(release.name, "c1", opened=True, status="presented", release=release.id)
    state, _, schema = program.reducers.initial()
    inputs: list[dict[str, Any]] = []
    for amount, changes in [
        ("12.00", {}),
        ("9000.00", {"funds": "10000.00"}),
        ("12.00", {"stopped": True}),
        ("12.00", {"frozen": True}),
        ("700.00", {"funds": "5.00"}),
    ]:
        full = {**state, "status": "presented", "cheque": "c1", "box": "b", "funds": "500.00", **changes}
        case = CaseRecord(
            **{**{f: getattr(record, f) for f in record.__struct_fields__}, "state": full, "schema": schema}
        )
        args = {"cheque": "c1", "amount": amount}
        proposal = Proposal("pay", args, "0", "advice", "bench", score=980_000, rank=1, agreed=1, asked=1)
        inputs.append(policy_input(program, case, Facts(now=1_790_000_000_000_000), program.actions["pay"], proposal))
    policy = program.policy
    bounds = [bound for bound in (policy.bind("pay", raw) for raw in inputs) if isinstance(bound, Bound)]
    if len(bounds) != len(inputs):
        raise SystemExit("An input of the policy benchmark does not bind.")
    best_bind = best_judge = best_both = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(ROUNDS // 5):
            for raw in inputs:
                policy.bind("pay", raw)
        best_bind = min(best_bind, time.process_time() - began)
        began = time.process_time()
        for _ in range(ROUNDS // 5):
            for bound in bounds:
                policy.judge(bound)
        best_judge = min(best_judge, time.process_time() - began)
        began = time.process_time()
        for _ in range(ROUNDS // 5):
            for raw in inputs:
                policy.judge(policy.bind("pay", raw))  # type: ignore[arg-type]  # every input binds, as checked above
        best_both = min(best_both, time.process_time() - began)
    return {
        "rules": len(policy.rules),
        "judge_us": round(best_judge / ROUNDS * 1e6, 2),
        "bind_us": round(best_bind / ROUNDS * 1e6, 2),
        "bind_and_judge_us": round(best_both / ROUNDS * 1e6, 2),
        "verdicts": ", ".join(policy.judge(bound).outcome for bound in bounds),
    }
