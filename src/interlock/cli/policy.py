"""`interlock policy ...`: a policy on its own, with or without an automation around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, proofs, screen
from interlock.cli.options import Group, Invocation, command
from interlock.cli.policyfiles import document_of, read_named, read_policy, text_of
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
    """Find every mistake in a policy: file, line, column and what to write instead.

    Mistakes that keep it from loading, and what its author cannot have meant: comparisons that never or always hold,
    rules that no input satisfies, rules that others hide. Anything found ends with exit code 1.
    """
    from interlock.policy import lint
    from interlock.vocabulary.errors import DefinitionErrors

    try:
        found = read_policy(inv, file)
    except DefinitionErrors as errors:
        everything = (*errors.problems, *errors.remarks)
        raise type(errors)(sorted(everything, key=lambda one: (one.file, one.line, one.column))) from None
    remarks = lint(found)
    if inv.json:
        screen.document(
            {
                "ok": not remarks,
                "policy": found.name,
                "hash": found.hash,
                "rules": len(found.rules),
                "remarks": [{"code": one.code, **exits.problem_data(one)} for one in remarks],
            }
        )
    elif remarks:
        screen.problems(remarks)
    else:
        screen.text(
            f"{found.name}: ok, {len(found.rules)} rules, {len(found.invariants)} invariants, "
            f"{len(found.tests)} tests, hash {found.hash[:12]}"
        )
    if remarks:
        click.get_current_context().exit(exits.WRONG)


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
        # An input that the base leaves out fails every test in the same words; they are said once.
        reasons: dict[str, int] = {}
        for result in failed:
            reasons[result.problem] = reasons.get(result.problem, 0) + 1
        for result in failed:
            same = reasons.pop(result.problem, 0)
            if same:
                more = f" (and so for {same - 1} more test{'s' * (same > 2)})" if same > 1 else ""
                screen.text(f"{found.file}:{result.line}: {result.name}: {result.problem}{more}")
        if not results:
            screen.notice(f"{found.name} has no tests. Write a `cases:` block: interlock init shows one.")
        else:
            passed = len(results) - len(failed)
            screen.text(f"{found.name}: {passed} of {len(results)} tests passed")
    if failed:
        click.get_current_context().exit(exits.WRONG)


@command(
    name="schema",
    examples="""
        interlock policy schema
        interlock policy schema --json
        interlock policy schema --document > policy.schema.json
    """,
    codes=[exits.WRONG],
    db=False,
)
@click.argument("file", required=False)
@click.option("--document", is_flag=True, help="The JSON Schema of the document itself, for editors.")
def schema(inv: Invocation, file: str | None, document: bool) -> None:
    """Print what a policy may read, and its bounds: derived from the automation's types.

    With --document the JSON Schema of policy documents: an editor completes keys, actions and groups with it, and
    marks what does not belong while it is written.
    """
    from interlock.policy import schema_text
    from interlock.policy.editor import document_schema

    named = read_named(inv, file)
    found = named.policy
    if document:
        alone = named.certificates is None
        screen.document(document_schema(None if alone else found.schema, fallbacks=named.fallbacks))
        return
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


@command(
    name="explain",
    examples="interlock policy explain\ninterlock policy explain --table > rules.md",
    codes=[exits.WRONG],
    db=False,
)
@click.argument("file", required=False)
@click.option("--table", is_flag=True, help="A decision table in Markdown instead of sentences.")
def explain(inv: Invocation, file: str | None, table: bool) -> None:
    """Put a policy in plain sentences, or in a decision table, for people who do not read code."""
    from interlock.policy import plain

    found = read_policy(inv, file)
    if inv.json:
        data = [{name: getattr(row, name) for name in row.__dataclass_fields__} for row in plain.rows(found)]
        screen.document({"policy": found.name, "hash": found.hash, "rows": data})
    elif table:
        screen.text(plain.table(found).rstrip("\n"))
    else:
        screen.prose(plain.sentences(found).rstrip("\n"))


@command(
    name="fmt",
    examples="""
        interlock policy fmt
        interlock policy fmt --check refunds/policy.yaml
    """,
    codes=[exits.WRONG, exits.OPERATOR],
    db=False,
)
@click.argument("file", required=False)
@click.option("--check", "check_", is_flag=True, help="Write nothing; exit code 1 if the file is not in the layout.")
def fmt(inv: Invocation, file: str | None, check_: bool) -> None:
    """Put a policy document into the one layout: indentation, spaces, empty lines, the order of a rule's keys.

    Comments stay where they belong, and what the policy says does not change; formatting twice is formatting once.
    """
    from interlock.policy.layout import layout

    document = document_of(inv, file)
    before = text_of(document)
    after = layout(before, file=str(document))
    changed = before != after
    if changed and not check_:
        document.write_bytes(after.encode("utf-8"))
    if inv.json:
        screen.document({"file": str(document), "changed": changed, "written": changed and not check_})
    elif changed:
        screen.text(f"{document}: {'would be formatted' if check_ else 'formatted'}")
    else:
        screen.text(f"{document}: is in the layout")
    if changed and check_:
        click.get_current_context().exit(exits.WRONG)


for one in (check, fmt, explain, test, schema, describe, *proofs.COMMANDS):
    policy.add_command(one)

COMMANDS: dict[str, click.Command] = {"policy": policy}
