"""`interlock policy ...`: a policy on its own, with or without an automation around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, proofs, screen
from interlock.cli.options import Group, Invocation, command
from interlock.cli.policyfiles import read_policy
from interlock.vocabulary.errors import NotFound

if TYPE_CHECKING:
    from interlock.policy import Rule


@click.group(name="policy", cls=Group)
def policy() -> None:
    """Check, test and describe a policy.

    FILE is a policy document or an automation's folder, by default that of --app. Beside an automation.py the inputs
    come from its types; elsewhere from the document's own `schema:`.
    """


@command(
    name="check",
    examples="interlock policy check\ninterlock policy check refunds/policy.yaml",
    codes=[exits.WRONG],
    db=False,
)
@click.argument("file", required=False)
def check(inv: Invocation, file: str | None) -> None:
    """Find every mistake in a policy: file, line, column and what to write instead."""
    found = read_policy(inv, file)
    if inv.json:
        screen.document({"ok": True, "policy": found.name, "hash": found.hash, "rules": len(found.rules)})
        return
    screen.text(
        f"{found.name}: ok, {len(found.rules)} rules, {len(found.invariants)} invariants, {len(found.tests)} tests, "
        f"hash {found.hash[:12]}"
    )


@command(
    name="test",
    examples="interlock policy test\ninterlock policy test refunds/policy.yaml --json",
    codes=[exits.WRONG],
    db=False,
)
@click.argument("file", required=False)
def test(inv: Invocation, file: str | None) -> None:
    """Run the tests inside a policy (`cases:`), and its invariants on their inputs."""
    from interlock.policy import run_tests

    found = read_policy(inv, file)
    results = run_tests(found)
    failed = [result for result in results if not result.passed]
    if inv.json:
        screen.document(
            {
                "ok": not failed,
                "policy": found.name,
                "passed": len(results) - len(failed),
                "failed": len(failed),
                "tests": [
                    {
                        "name": result.name,
                        "line": result.line,
                        "passed": result.passed,
                        "expected": result.expected,
                        "got": result.got,
                        "by": list(result.by),
                        "violated": list(result.violated),
                        **({"problem": result.problem} if result.problem else {}),
                    }
                    for result in results
                ],
            }
        )
    else:
        for result in failed:
            screen.text(f"{found.file}:{result.line}: {result.name}: {result.problem}")
        if not results:
            screen.notice(f"{found.name} has no tests. Write a `cases:` block: interlock init shows one.")
        else:
            passed = len(results) - len(failed)
            screen.text(f"{found.name}: {passed} of {len(results)} tests passed")
    if failed:
        click.get_current_context().exit(exits.WRONG)


@command(
    name="schema",
    examples="interlock policy schema\ninterlock policy schema --json",
    codes=[exits.WRONG],
    db=False,
)
@click.argument("file", required=False)
def schema(inv: Invocation, file: str | None) -> None:
    """Print what a policy may read, and its bounds: derived from the automation's types."""
    from interlock.policy import schema_text

    found = read_policy(inv, file)
    if inv.json:
        screen.document(found.schema.to_data())
    else:
        screen.text(schema_text(found.schema).rstrip("\n"))


@command(
    name="describe",
    examples="interlock policy describe\ninterlock policy describe --action refund",
    codes=[exits.WRONG],
    db=False,
)
@click.argument("file", required=False)
@click.option("--action", metavar="NAME", help="Only the rules about this action, and the inputs they read.")
def describe(inv: Invocation, file: str | None, action: str | None) -> None:
    """Show the rules in the order in which they win, and what they read."""
    found = read_policy(inv, file)
    if action is not None and action not in found.schema.actions:
        raise NotFound(f"{found.name} has no action {action!r}.", hint=f"It has: {', '.join(found.schema.actions)}.")
    rules = [rule for rule in found.rules if action is None or rule.applies_to(action)]
    actions = [action] if action else list(found.schema.actions)
    data = found.to_data()
    if inv.json:
        screen.document(
            {
                "policy": found.name,
                "hash": found.hash,
                "params": {name: _param(value) for name, value in found.params.items()},
                "rules": [_rule_data(rule) for rule in rules],
                "default": data["default"],
                "invariants": {invariant.name: invariant.when_text for invariant in found.invariants},
                "reads": {name: list(found.inputs(name)) for name in actions},
            }
        )
        return
    screen.title(f"{found.name}  {found.hash[:12]}")
    screen.pairs([(name, _param(value)) for name, value in found.params.items()], indent=2)
    screen.table(
        ("RULE", "FOR", "THEN", "WHEN"),
        [
            (rule.id, "all" if rule.for_ is None else ",".join(rule.for_), _then(rule), _when(rule) + _reason(rule))
            for rule in rules
        ],
    )
    default = found.default
    groups = "+".join(_group(group.name, group.approvals) for group in default.to)
    screen.text(f"otherwise  {default.then}{':' + groups if groups else ''}")
    if found.invariants:
        screen.title("\nNever allowed without a person")
        screen.pairs([(invariant.name, invariant.when_text) for invariant in found.invariants], indent=2)
    screen.title("\nReads")
    screen.pairs([(name, ", ".join(found.inputs(name))) for name in actions], indent=2)


def _param(value: Any) -> str:
    from interlock.policy.policy import param_words

    return param_words(value)


def _rule_data(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "line": rule.line,
        "for": None if rule.for_ is None else list(rule.for_),
        "when": rule.when_text,
        **({"unless": rule.unless_text} if rule.unless is not None else {}),
        "then": _then(rule),
        "reason": rule.reason,
    }


def _then(rule: Rule) -> str:
    if rule.fallback:
        return f"fallback:{rule.fallback}"
    groups = "+".join(_group(group.name, group.approvals) for group in rule.to)
    return f"{rule.then}:{groups}" if groups else rule.then


def _group(name: str, approvals: int) -> str:
    return f"{name}*{approvals}" if approvals > 1 else name


def _when(rule: Rule) -> str:
    return rule.when_text + (f", unless {rule.unless_text}" if rule.unless is not None else "")


def _reason(rule: Rule) -> str:
    return f"  # {rule.reason}" if rule.reason else ""


for one in (check, test, schema, describe, *proofs.COMMANDS):
    policy.add_command(one)

COMMANDS: dict[str, click.Command] = {"policy": policy}
