"""`interlock policy prove`, `diff` and `contrast`: what holds for all inputs, and what is nearest to one of them.

The first two need the extra `prove`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.cli.policyfiles import read_named, read_policy
from interlock.vocabulary.errors import NotFound, Refused

if TYPE_CHECKING:
    from interlock.ledger import Affected
    from interlock.policy.examples import Example
    from interlock.policy.proof import Change, Difference, Finding, Proof

TIMEOUT_S = 10

_timeout = click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.IntRange(1, 3600),
    default=TIMEOUT_S,
    show_default=True,
    help="How long one question may take; what takes longer is undecided.",
)


@command(
    name="prove",
    examples="""
        interlock policy prove
        interlock policy prove refunds/policy.yaml --json
        interlock policy prove tomorrow.yaml --timeout 60
    """,
    codes=[exits.WRONG, exits.OPERATOR],
    db=False,
)
@click.argument("file", required=False)
@_timeout
def prove(inv: Invocation, file: str | None, timeout: int) -> None:
    """Prove a policy's invariants for all inputs, or show an input that breaks them.

    Also: rules that can never hold, that never count or change no verdict; fallback rules that lead to different
    places at once; whether the default is reached; and under what an irreversible action runs without a person. Every
    example has been judged by the real evaluator. What the solver could not decide is said and counts as a problem.

    Exit code 0: every invariant is proved and no rule is useless. Needs the extra: pip install 'interlock[prove]'.
    """
    from interlock.policy.proof import prove as prove_all

    named = read_named(inv, file)
    with screen.progress(quiet=inv.json) as progress:
        proof = prove_all(
            named.policy,
            certificates=named.certificates,
            final=named.final,
            timeout_ms=timeout * 1000,
            progress=progress,
        )
    if inv.json:
        screen.document(proof.to_data())
    else:
        _tell_proof(proof, rules=len(named.policy.rules))
    if not proof.ok:
        click.get_current_context().exit(exits.WRONG)


def _tell_proof(proof: Proof, *, rules: int) -> None:
    screen.title(f"{proof.policy}  {proof.hash[:12]}")
    _section("Invariants", proof.about("invariant"), "The policy has no invariants: nothing was asked of it.")
    _section("Rules", (*proof.about("rule"), *proof.about("conflict")), f"Each of {rules} rules decides some input.")
    _section("Default", proof.about("default"), "")
    _section("Irreversible actions", proof.about("irreversible"), "")
    problems = sum(finding.problem for finding in proof.findings)
    screen.text("")
    screen.text("proved" if proof.ok else f"{problems} problem{'s' * (problems != 1)}")


def _section(title: str, findings: tuple[Finding, ...], nothing: str) -> None:
    if not findings and not nothing:
        return
    screen.title(f"\n{title}")
    if not findings:
        screen.text(f"  {nothing}")
    for finding in findings:
        mark = {"proved": "proved", "refuted": "refuted", "undecided": "UNDECIDED"}[finding.standing]
        if finding.about in ("rule", "conflict", "default", "irreversible") and finding.standing != "undecided":
            mark = "problem" if finding.problem else "note"
        place = f" (line {finding.line})" if finding.line else ""
        screen.text(f"  {mark:<10} {finding.text}{place}")
        if finding.example is not None:
            _example(finding.example)


def _example(example: Example) -> None:
    from interlock.policy import verdict_text
    from interlock.policy.examples import by

    screen.text(
        f"             for example {example.action}: {verdict_text(example.verdict)} by {_names(by(example.verdict))}"
    )
    screen.pairs(list(example.inputs), indent=15)


def _names(rules: list[str]) -> str:
    return ", ".join(rules)


# --- diff -------------------------------------------------------------------------------------------------------------


@command(
    name="diff",
    examples="""
        interlock policy diff policy.yaml tomorrow.yaml
        interlock policy diff policy.yaml tomorrow.yaml --since 7d --db production.db
        interlock policy diff main/policy.yaml policy.yaml --stricter --json
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("before")
@click.argument("after")
@click.option(
    "--since", metavar="TIME", help="Also judge the recorded decisions from then on under both: 7d, or 2026-03-01."
)
@click.option("--automation", metavar="NAME", help="With --since: only this automation's decisions.")
@click.option("--stricter", is_flag=True, help="Accept (exit 0) a change that is proved only to be stricter.")
@_timeout
def diff(
    inv: Invocation,
    before: str,
    after: str,
    since: str | None,
    automation: str | None,
    stricter: bool,
    timeout: int,
) -> None:
    """Compare two policies over all inputs: the same (proved), or every kind of difference with an example.

    For each kind of difference (allow -> deny, escalate -> allow, other people asked, ...): the region of inputs in
    words, an example made plain and judged by both, and, with --since, how many recorded decisions fall there and what
    their amounts come to.

    Exit code 0: the same for every input, proved. Needs the extra: pip install 'interlock[prove]'.
    """
    from interlock.policy.proof import compare

    old, new = read_policy(inv, before), read_policy(inv, after)
    touched = None
    with screen.progress(quiet=inv.json) as progress:
        found = compare(old, new, timeout_ms=timeout * 1000, progress=progress)
        if since is not None:
            from interlock.ledger import affected

            start = opening.moment_us(since, at=opening.now())
            with opening.store(inv) as store:
                known = opening.known_automations(store)
                if automation is not None and automation not in known:
                    raise NotFound(
                        f"There is no automation {automation!r} here.",
                        hint=f"There are: {', '.join(known) or 'none'}.",
                    )
                touched = affected(store, old, new, since=start, automation=automation, progress=progress)
    if inv.json:
        data = found.to_data()
        screen.document({**data, "recorded": None if touched is None else touched.to_data()})
    else:
        _tell_difference(found, touched)
    if not (found.equivalent or (stricter and found.tightening)):
        click.get_current_context().exit(exits.WRONG)


def _tell_difference(found: Difference, touched: Affected | None) -> None:
    if found.equivalent:
        same = (
            "They are the same policy." if found.same_hash else "Every input has the same verdict under both: proved."
        )
        screen.text(same)
    for line in found.inputs:
        screen.text(f"Inputs: {line}")
    for change in found.changes:
        _change(change, touched)
    for line in found.undecided:
        screen.text(f"UNDECIDED: {line}")
    if found.changes and found.tightening:
        screen.text("Every difference is towards the stricter: proved.")
    if touched is not None:
        changed = sum(one.count for one in touched.changed.values())
        screen.text(
            f"Recorded: {touched.decisions} decisions; {changed} judged differently, {touched.same} the same, "
            f"{sum(touched.not_judged.values())} not judged"
        )
        screen.pairs([(str(count), why) for why, count in touched.not_judged.most_common()], indent=2)


def _change(change: Change, touched: Affected | None) -> None:
    from interlock.policy import verdict_text
    from interlock.policy.examples import by

    screen.title(f"{change.action}: {change.name}{' (stricter)' if change.stricter else ''}")
    screen.text(f"  where {change.region}")
    was, now = change.example.verdict, change.now
    screen.text(f"  for example {verdict_text(was)} by {_names(by(was))}, now {verdict_text(now)} by {_names(by(now))}")
    screen.pairs(list(change.example.inputs), indent=4)
    if touched is not None:
        recorded = touched.changed.get((change.action, change.before, change.after, change.stricter))
        if recorded is None:
            screen.text("  recorded: no decision")
        else:
            sums = ", ".join(f"{name} {amount}" for name, amount in sorted(recorded.amounts.items()))
            screen.text(f"  recorded: {recorded.count} decisions{f', {sums} in all' if sums else ''}")
            screen.text(f"    {', '.join(recorded.examples[:5])}{' ...' if recorded.count > 5 else ''}")
    screen.text("")


# --- contrast ---------------------------------------------------------------------------------------------------------


@command(
    name="contrast",
    examples="""
        interlock policy contrast --test "both agree"
        interlock policy contrast policy.yaml --test "over the limit" --to allow
        interlock policy contrast policy.yaml --action pay --input @input.json --json
    """,
    codes=[exits.WRONG],
    db=False,
)
@click.argument("file", required=False)
@click.option("--test", metavar="NAME", help="Begin with the input of this test of the policy.")
@click.option("--action", metavar="NAME", help="Begin with an input of this action (with --input).")
@click.option("--input", "input_", metavar="JSON", help="The input as nested JSON, @FILE, or - for stdin.")
@click.option(
    "--to", "target", type=click.Choice(["allow", "escalate", "fallback", "deny"]), help="Only changes to this outcome."
)
def contrast(
    inv: Invocation,
    file: str | None,
    test: str | None,
    action: str | None,
    input_: str | None,
    target: Literal["allow", "escalate", "fallback", "deny"] | None,
) -> None:
    """Show the smallest change of an input that gives another verdict.

    As few inputs as possible are changed, each to the nearest value at which the rules say something else.
    `interlock explain` shows the same for a recorded decision.
    """
    from interlock.policy import BindFailure, verdict_text
    from interlock.policy.contrast import contrast as contrast_of

    found = read_policy(inv, file)
    if test is not None:
        chosen = next((one for one in found.tests if one.name == test), None)
        if chosen is None:
            known = ", ".join(one.name for one in found.tests)
            raise NotFound(f"{found.name} has no test {test!r}.", hint=f"It has: {known or 'none'}.")
        bound = found.bind(chosen.action, chosen.raw)
    elif action is not None and input_ is not None:
        bound = found.bind(action, opening.json_value(input_, "--input"))
    else:
        raise click.UsageError("Give --test, or --action and --input.")
    if isinstance(bound, BindFailure):
        hint = "`interlock policy describe` shows what rules read."
        raise Refused(f"This is no input: {bound}.", code="bad_input", hint=hint)
    told = contrast_of(found, bound, target=target)
    if inv.json:
        screen.document(told.to_data())
        return
    screen.title(f"{bound.action}: {verdict_text(told.verdict)}")
    screen.bullets([str(one) for one in told.found])
    for remark in told.remarks:
        screen.text(remark)


COMMANDS: tuple[click.Command, ...] = (prove, diff, contrast)
