"""`interlock resolve`: a person's word on an effect in doubt, after looking at the outside's own books."""

from __future__ import annotations

from typing import Any

import click

from interlock.cli import exits, following, opening, screen
from interlock.cli.options import Invocation, acting, command
from interlock.vocabulary.errors import NotFound, NotNow, Refused

PAGE = 1_000
"""Cases looked through at once."""


@command(
    name="resolve",
    examples="""
        interlock resolve                                  # what is in doubt
        interlock resolve refunds/t7/4.0 --happened --result '{"id": "r-17"}' --as ann@example.com
        interlock resolve refunds/t7/4.0 --not-happened --comment "Not in the bank's books." --as ann@example.com
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--happened/--not-happened", default=None, help="What the outside's own books say.")
@click.option("--result", metavar="JSON", help="What the action gave, if it happened: JSON, @FILE or -.")
@acting
@click.option("--comment", metavar="TEXT", default="", help="How you know; it is recorded.")
@click.option("--wait", metavar="TIME", help="How long to wait for the outcome. [default: 10s if a worker runs]")
def resolve(
    inv: Invocation,
    id_: str | None,
    happened: bool | None,
    result: str | None,
    as_: str | None,
    comment: str,
    wait: str | None,
) -> None:
    """Say what became of an effect in doubt.

    An effect is in doubt when nobody knows whether it happened: a reply was lost, a worker died. It holds its budget
    and is not tried again until a check or a person says what happened. Without ID, lists what is in doubt.
    """
    if id_ is None:
        _list(inv)
        return
    if happened is None:
        raise click.UsageError("Say what happened: --happened or --not-happened.")
    if result is not None and not happened:
        raise click.UsageError("What did not happen has no --result.")
    from interlock.cli.sending import accept, outcome
    from interlock.runtime.inbox import outcome_of, resolve_envelope
    from interlock.vocabulary.ids import parse_full_id

    case, local = parse_full_id(id_)
    given: Any = None if result is None else opening.json_value(result, "--result")
    who = opening.principal(as_)
    with opening.store(inv) as store:
        record = store.case(case)
        if record is None:
            raise NotFound(f"There is no case {case}.")
        effect = record.effects.get(local)
        if effect is None:
            raise NotNow(
                f"{id_} is not under way.", code="not_open", hint=f"What became of it: interlock history {case}"
            )
        if effect.status != "in_doubt":
            raise NotNow(
                f"{id_} is not in doubt; it is {effect.status.replace('_', ' ')}.",
                code="not_in_doubt",
                hint="Only a doubt needs a person's word.",
            )
        said = _fitting(inv, effect.action, given) if happened else None
        envelope = resolve_envelope(
            case.automation,
            case.key,
            local,
            "happened" if happened else "not_happened",
            result=said,
            comment=comment,
            id=f"{local}@{effect.attempt}:{'happened' if happened else 'not_happened'}:{who}"[:200],
            principal=who,
            now=opening.now(),
        )
        after = store.newest(case)
        receipt = accept(store, [envelope])[0]
        if outcome(receipt) == "duplicate":
            after = 0
        outcome_of(envelope, receipt)
        following.follow(inv, store, envelope, after=after, wait=wait)


def _fitting(inv: Invocation, action: str, result: Any) -> Any:
    """The result in the form in which the action's performer would have recorded it."""
    from interlock.kernel.program import Rejected

    loaded = opening.automation(inv)
    try:
        return loaded.wire.result_plain(action, loaded.wire.result(action, result))
    except Rejected as error:
        raise Refused(
            f"--result does not fit {action}: {error}",
            code="bad_result",
            hint="Give what its performer returns, as JSON.",
        ) from None


def _list(inv: Invocation) -> None:
    """Every effect in doubt, oldest first. A doubt that nobody probes has no command, so the cases are looked
    through.
    """
    rows: list[dict[str, Any]] = []
    with opening.store(inv) as store, screen.progress(quiet=inv.json) as progress:
        page, looked = store.cases(automation=None, status=None, after=None, limit=PAGE), 0
        while page:
            for record in page:
                rows += [
                    {
                        "id": f"{record.case}/{effect.id}",
                        "action": effect.action,
                        "args": effect.args,
                        "since": effect.last_started_at,
                        "reason": effect.reason,
                        "key": effect.key,
                    }
                    for effect in record.effects.values()
                    if effect.status == "in_doubt"
                ]
            looked += len(page)
            progress("looking through cases", looked, 0)
            page = store.cases(automation=None, status=None, after=page[-1].case, limit=PAGE)
    rows.sort(key=lambda row: row["since"])
    if inv.json:
        screen.document({"in_doubt": [{**row, "since": screen.iso(row["since"])} for row in rows]})
        return
    screen.table(
        ("ID", "ACTION", "SINCE", "KEY", "WHAT"),
        [
            (
                row["id"],
                row["action"],
                screen.when(row["since"]),
                row["key"],
                screen.args_words(row["args"]) + (f" ({row['reason']})" if row["reason"] else ""),
            )
            for row in rows
        ],
        empty="Nothing is in doubt.",
    )


COMMANDS = {"resolve": resolve}
