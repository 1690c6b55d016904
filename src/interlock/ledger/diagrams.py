"""Pictures of the two state machines, as mermaid text made from the tables that the kernel runs on.

A picture drawn by hand is right until the table changes. docs/reference/lifecycle.md is `lifecycle_page`, and a test
compares.
"""

from __future__ import annotations

from collections.abc import Iterable

from interlock.kernel.lifecycle import TRANSITIONS, UNDER_WAY
from interlock.kernel.program import Program

_ENDS = {"done": "it took effect", "failed": "it did not take effect", "gone": "withdrawn before its start"}

_WORDS = {
    "awaiting_budget": "permitted; its budgets are being asked",
    "pending": "permitted, not started",
    "held": "permitted, kept back by a pause",
    "started": "the outside may have been touched",
    "retrying": "to be attempted again, safely",
    "in_doubt": "nobody knows whether it took effect",
}


def flow_diagram(program: Program) -> str:
    """An automation's flow: its statuses, the moves between them, and the actions valid in each."""
    lines = ["stateDiagram-v2"]
    statuses = list(program.flow)
    for status in statuses:
        actions, _ = program.flow[status]
        lines.append(f"    state {_text([status, *_listed(program, actions)])} as {_name(status)}")
    lines.append(f"    [*] --> {_name(program.reducers.initial()[1])}")
    for status in statuses:
        _, targets = program.flow[status]
        lines.extend(f"    {_name(status)} --> {_name(target)}" for target in sorted(targets))
        if not targets:
            lines.append(f"    {_name(status)} --> [*]")
    return "\n".join(lines)


def _listed(program: Program, actions: Iterable[str]) -> list[str]:
    """Actions with what they are, irreversible ones first."""
    specs = [program.actions[name] for name in sorted(actions)]
    return [
        f"{spec.name} ({'reversible' if spec.reversible else 'irreversible'}, {spec.kind})"
        for spec in sorted(specs, key=lambda spec: spec.reversible)
    ]


def _text(rows: Iterable[str]) -> str:
    return '"' + "<br/>".join(row.replace('"', "'") for row in rows) + '"'


def _name(status: str) -> str:
    """An identifier for mermaid: its own words (`end`, `state`) must not stand alone."""
    return "s_" + "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in status)


def effect_diagram() -> str:
    """What may become of an effect, the same for every action."""
    lines = ["stateDiagram-v2"]
    lines.extend(f"    state {_text([status, _WORDS[status]])} as {status}" for status in TRANSITIONS)
    lines.extend(f"    state {_text([name, said])} as {name}" for name, said in _ENDS.items())
    lines += ["    [*] --> awaiting_budget: permitted, with budgets", "    [*] --> pending: permitted"]
    for status, targets in TRANSITIONS.items():
        lines.extend(f"    {status} --> {target}" for target in sorted(targets) if target != status)
    lines.extend(f"    {name} --> [*]" for name in _ENDS)
    return "\n".join(lines)


def lifecycle_page() -> str:
    """docs/reference/lifecycle.md."""
    rows = [
        f"| `{status}` | {_WORDS[status]} | {'yes' if status in UNDER_WAY else 'no'} | "
        f"{', '.join(f'`{target}`' for target in sorted(targets))} |"
        for status, targets in TRANSITIONS.items()
    ]
    rows += [f"| `{name}` | {said} | | |" for name, said in _ENDS.items()]
    return "\n".join(
        [
            "# What may become of an effect",
            "",
            "An effect is an action that was permitted, on its way to the outside. Its state machine is the same for",
            "every action; how often it may be attempted depends on the action's kind. This page is made from the",
            "table that the kernel runs on (`interlock.kernel.lifecycle.TRANSITIONS`); a test compares the two.",
            "",
            "```mermaid",
            effect_diagram(),
            "```",
            "",
            "| status | meaning | may the outside have been touched? | may become |",
            "|---|---|---|---|",
            *rows,
            "",
            "`started` is reached only by a start: a recorded turn of its own, committed before any call to the",
            "outside, which checks pause, cancellation, certificate and the age of the decision once more. An effect",
            "of an action of kind `once` never becomes `retrying`.",
            "",
        ]
    )
