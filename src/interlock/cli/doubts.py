"""`interlock doubts` and `interlock resolve`: what nobody knows the outcome of, and a person's word on it, after
looking at the outside's own books.

What is listed comes from what stands open (probes under way, tasks for people), so it costs the same however many
cases there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, acting, command, commented
from interlock.cli.sending import hand_in
from interlock.vocabulary.errors import NotFound, NotNow, Refused
from interlock.vocabulary.ids import CaseId

if TYPE_CHECKING:
    from interlock.ports import Store
    from interlock.vocabulary.action import Effect
    from interlock.vocabulary.case import CaseRecord
    from interlock.vocabulary.task import Task

TASKS_MAX = 10_000
"""Tasks read at once: more than people could work through."""


@command(
    name="doubts",
    examples="""
        interlock doubts                       # what is being looked into, and what people are asked
        interlock doubts --group operations    # what this group is asked
        interlock doubts --json
    """,
    codes=[exits.OPERATOR],
)
@click.option("--group", metavar="NAME", help="Only what this group is asked to find out.")
@click.option("--automation", metavar="NAME", help="Only this automation.")
def doubts(inv: Invocation, group: str | None, automation: str | None) -> None:
    """List effects in doubt and contradictions.

    An effect is in doubt when nobody knows whether it happened: a reply was lost, a worker died. It holds its budget.
    Where the outside can be asked it is, at growing distances; after that, or where it cannot, a group of people is.
    A contradiction is a word of the outside against what had been settled. `interlock resolve` ends both.
    """
    _list(inv, group, automation)


@command(
    name="resolve",
    examples="""
        interlock resolve                                  # the same as interlock doubts
        interlock resolve refunds/t7/4.0 --happened --result '{"id": "r-17"}' --as ann@example.com
        interlock resolve refunds/t7/4.0 --not-happened --comment "Not in the bank's books." --as ann@example.com
    """,
    codes=[exits.WRONG, exits.REFUSED, exits.OPERATOR],
)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--happened/--not-happened", default=None, help="What the outside's own books say.")
@click.option("--result", metavar="JSON", help="What the action gave, if it happened: JSON, @FILE or -.")
@acting
@commented("How you know")
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

    ID is what `interlock doubts` lists: an effect, or a contradiction, of which you say how it really was. Look into
    the outside's own books first: what you say is believed. Of a doubt, the automation goes on with it. Of a
    contradiction, the case counts by it from then on; what followed from the settlement is made good by decisions of
    its own. Without ID, lists both.
    """
    if id_ is None:
        _list(inv, None, None)
        return
    if happened is None:
        raise click.UsageError("Say what happened: --happened or --not-happened.")
    if result is not None and not happened:
        raise click.UsageError("What did not happen has no --result.")
    from interlock.runtime.inbox import resolve_envelope
    from interlock.vocabulary.ids import parse_full_id

    case, local = parse_full_id(id_)
    given: Any = None if result is None else opening.json_value(result, "--result")
    who = opening.principal(as_)
    with opening.store(inv) as store:
        record = store.case(case)
        if record is None:
            raise NotFound(f"There is no case {case}.")
        effect, task = record.effects.get(local), record.tasks.get(local)
        if effect is None and (task is None or task.kind == "doubt"):
            raise NotNow(
                f"{id_} is not under way.", code="not_open", hint=f"What became of it: interlock history {case}"
            )
        if effect is not None and effect.status != "in_doubt":
            raise NotNow(
                f"{id_} is not in doubt; it is {effect.status.replace('_', ' ')}.",
                code="not_in_doubt",
                hint="Only a doubt needs a person's word.",
            )
        if effect is None and result is not None:
            raise click.UsageError("A contradiction takes no --result: the automation is not told of it again.")
        said = _fitting(inv, case, effect.action, given) if happened and effect is not None else None
        name = f"{local}@{effect.attempt}" if effect is not None else local
        envelope = resolve_envelope(
            case.automation,
            case.key,
            local,
            "happened" if happened else "not_happened",
            result=said,
            comment=comment,
            id=f"{name}:{'happened' if happened else 'not_happened'}:{who}"[:200],
            principal=who,
            now=opening.now(),
        )
        hand_in(inv, store, envelope, wait)


def _fitting(inv: Invocation, case: CaseId, action: str, result: Any) -> Any:
    """The result in the form in which the action's performer would have recorded it."""
    from interlock.kernel.program import Rejected

    loaded = opening.automation(inv)
    try:
        wire = opening.wire(inv, loaded)
        with wire.opened(case.key):
            return wire.result_plain(action, wire.result(action, result))
    except Rejected as error:
        raise Refused(
            f"--result does not fit {action}: {error}",
            code="bad_result",
            hint="Give what its performer returns, as JSON.",
        ) from None


def _list(inv: Invocation, group: str | None, automation: str | None) -> None:
    with opening.store(inv) as store:
        doubtful, contradictions = _open(store, group, automation)
    if inv.json:
        screen.document({"in_doubt": _plain(doubtful), "contradictions": _plain(contradictions)})
        return
    screen.table(
        ("ID", "ACTION", "SINCE", "WHO LOOKS", "KEY", "WHAT"),
        [
            (
                row["id"],
                row["action"],
                screen.when(row["since_us"]),
                _who(row),
                row["key"],
                screen.args_words(row["args"]) + (f" ({row['reason']})" if row["reason"] else ""),
            )
            for row in doubtful
        ],
        empty="Nothing is in doubt.",
    )
    if contradictions:
        screen.table(
            ("CONTRADICTION", "ABOUT", "SINCE", "WHO LOOKS", "KEY", "WHAT"),
            [
                (row["id"], row["about"], screen.when(row["since_us"]), row["group"], row["key"], row["why"])
                for row in contradictions
            ],
            empty="",
        )


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what is there for the table alone."""
    return [{name: value for name, value in row.items() if not name.endswith("_us")} for row in rows]


def _who(row: dict[str, Any]) -> str:
    if row["group"] is not None:
        return row["group"]
    return f"check {row['checks'] + 1}, {screen.when(row['next_check_us'])}"


def _open(store: Store, group: str | None, automation: str | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Effects in doubt and contradictions, the oldest first. Of a group, only what it is asked."""
    from interlock.vocabulary.ids import CaseId

    doubtful: list[dict[str, Any]] = []
    contradictions: list[dict[str, Any]] = []
    for case, task in store.open_tasks(automation=automation, group=group, limit=TASKS_MAX):
        if task.kind == "contradiction":
            contradictions.append(_contradiction(case, task))
            continue
        record = store.case(case)
        effect = record.effects.get(task.about) if record else None
        if record is not None and effect is not None:
            doubtful.append(_doubtful(record, effect, task))
    for lease in store.open_commands() if group is None else ():
        command = lease.command
        if command.what not in ("check", "fence") or automation not in (None, command.automation):
            continue
        record = store.case(CaseId(command.automation, command.key))
        effect = record.effects.get(command.id.rpartition("/")[2]) if record else None
        if record is not None and effect is not None and effect.status == "in_doubt":
            doubtful.append(_doubtful(record, effect, None))
    doubtful.sort(key=lambda row: row["since_us"])
    return doubtful, contradictions


def _doubtful(record: CaseRecord, effect: Effect, task: Task | None) -> dict[str, Any]:
    return {
        "id": f"{record.case}/{effect.id}",
        "action": effect.action,
        "args": effect.args,
        "since": screen.iso(effect.last_started_at),
        "since_us": effect.last_started_at,
        "reason": effect.reason,
        "key": effect.key,
        "checks": effect.probes,
        "next_check": None if task else screen.iso(effect.next_at),
        "next_check_us": effect.next_at,
        "group": task.group if task else None,
    }


def _contradiction(case: CaseId, task: Task) -> dict[str, Any]:
    return {
        "id": f"{case}/{task.id}",
        "about": f"{case}/{task.about}",
        "action": task.action,
        "args": task.args,
        "key": task.key,
        "since": screen.iso(task.opened_at),
        "since_us": task.opened_at,
        "group": task.group,
        "settled": task.settled,
        "said": task.said,
        "why": task.why,
    }


COMMANDS = {"doubts": doubts, "resolve": resolve}
