"""`interlock cases`, `case` and `actions`: what there is and what may happen to it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.vocabulary.errors import NotFound
from interlock.vocabulary.ids import OWN, CaseId

if TYPE_CHECKING:
    from interlock.kernel.lifecycle import ValidAction
    from interlock.kernel.program import Program
    from interlock.ports import Store
    from interlock.vocabulary.action import Effect
    from interlock.vocabulary.case import CaseRecord
    from interlock.vocabulary.task import Task

LIMIT = 50
"""Cases on one page unless --limit says otherwise."""


@command(
    name="cases",
    examples="""
        interlock cases
        interlock cases --status open --limit 200
        interlock cases --json --after refunds/t50
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.option("--status", metavar="STATUS", help="Only cases in this status.")
@click.option("--automation", metavar="NAME", help="Only cases of this automation.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=LIMIT, show_default=True, help="How many.")
@click.option("--after", metavar="CASE", help="Continue behind this case: AUTOMATION/KEY of the last one listed.")
def cases(inv: Invocation, status: str | None, automation: str | None, limit: int, after: str | None) -> None:
    """List cases.

    The oldest come first; finished cases that were put away are not listed, and every other command still finds
    them. Budget accounts are cases too: --automation interlock.budgets; so is who
    decides for whom: --automation interlock.people.
    """
    with opening.to_read(inv) as store:
        place = opening.case_id(store, inv, after) if after else None
        found = _page(store, automation, status, place, limit + 1)
        waiting = store.backlog()
        known = opening.known_automations(store)
    if automation is not None and automation not in (*known, *OWN):
        raise NotFound(f"There is no automation {automation!r} here.", hint=f"There are: {', '.join(known) or 'none'}.")
    more, found = len(found) > limit, found[:limit]
    if inv.json:
        screen.document({"cases": [_row_data(record) for record in found], "more": more, "waiting": waiting})
        return
    screen.table(
        ("CASE", "STATUS", "MESSAGES", "CHANGED", "OPEN"),
        [
            (
                record.case,
                record.status or "(not opened)",
                record.version,
                screen.when(record.updated_at),
                _open(record),
            )
            for record in found
        ],
        empty="No cases." if not waiting else "No cases yet.",
    )
    if waiting:
        screen.notice(f"{waiting} accepted messages wait to be handled.")
    if more:
        screen.notice(f"There are more: interlock cases --after {found[-1].case}")


def _page(
    store: Store, automation: str | None, status: str | None, after: CaseId | None, limit: int
) -> list[CaseRecord]:
    """Cases in order. Cases of the interlock's own (budget accounts, people) are listed only when asked for by name."""
    found: list[CaseRecord] = []
    while len(found) < limit:
        page = store.cases(automation=automation, status=status, after=after, limit=limit)
        found += [record for record in page if automation or record.automation not in OWN]
        if len(page) < limit:
            break
        after = page[-1].case
    return found[:limit]


def _row_data(record: CaseRecord) -> dict[str, Any]:
    return {
        "case": str(record.case),
        "automation": record.automation,
        "key": record.key,
        "status": record.status,
        "opened": record.opened,
        "version": record.version,
        "updated_at": screen.iso(record.updated_at),
        "questions": len(record.questions),
        "effects": len(record.effects),
        "in_doubt": sum(effect.status == "in_doubt" for effect in record.effects.values()),
        "reviews": len(record.reviews),
        "contradictions": len(_contradictions(record)),
        "parked": len(record.parked),
        "blocked": record.blocked,
        "flags": list(record.flags),
    }


def _contradictions(record: CaseRecord) -> list[Task]:
    return [task for task in record.tasks.values() if task.kind == "contradiction"]


def _open(record: CaseRecord) -> str:
    """What is not finished in a case, in a few words."""
    said: list[str] = []
    if record.blocked:
        said.append("BLOCKED by a message in quarantine")
    said += [f"{effect.action} {effect.status.replace('_', ' ')}" for effect in record.effects.values()]
    said += [f"review of {review.about}" for review in record.reviews.values()]
    said += [f"contradiction about {task.action or task.about}" for task in _contradictions(record)]
    said += [f"asks {name}" for name in record.questions]
    if record.parked:
        said.append(f"{len(record.parked)} parked")
    if record.flags:
        said.append(f"{len(record.flags)} flag{'s' * (len(record.flags) != 1)}")
    return ", ".join(said)


@command(
    name="case",
    examples="interlock case t1\ninterlock case refunds/t1 --json",
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("key")
def case(inv: Invocation, key: str) -> None:
    """Show one case: state, what is open, what is valid.

    KEY is the case's key, or AUTOMATION/KEY. What is valid now is said by the release that handled the case last, or
    by the one in --app if it is given.
    """
    from interlock.runtime.control import in_force

    with opening.to_read(inv) as store:
        found = opening.case_id(store, inv, key)
        record = store.case(found)
        if record is None:
            raise NotFound(f"There is no case {found}.")
        paused = in_force(store.control())
        valid = None if record.automation in OWN else _valid(inv, store, record)
    if inv.json:
        screen.document(case_data(record, valid, paused))
        return
    _show(record, valid, paused)


def _valid(inv: Invocation, store: Store, record: CaseRecord) -> list[ValidAction]:
    """What is valid now: under the release in --app if it is given, else under the one that handled the case last."""
    from interlock.kernel.lifecycle import valid_actions

    return valid_actions(record, _program(inv, store, record))


def _program(inv: Invocation, store: Store, record: CaseRecord) -> Program:
    if inv.app_given:
        program = opening.release(inv).program
        if program.automation != record.automation:
            raise opening.other_automation(inv, record.case, program.automation, instead="leave --app out")
        return program
    from interlock.ledger.recorded import Releases, Unreadable

    recorded = Releases(store).get(record.release)
    if isinstance(recorded, Unreadable):
        raise NotFound(recorded.why, hint="Name the automation's folder with --app.")
    return recorded.program


def case_data(record: CaseRecord, valid: list[ValidAction] | None, paused: tuple[str, ...]) -> dict[str, Any]:
    """A case as `--json` prints it. Moments are ISO 8601; everything else is as it is stored."""
    return {
        **_row_data(record),
        "release": record.release,
        "opened_at": screen.iso(record.opened_at),
        "state": record.state,
        "questions": {
            name: {
                "fields": question.fields,
                "rank": question.rank,
                "asked": {
                    advisor: "answered" if asked.outcome else "asked" for advisor, asked in question.asked.items()
                },
            }
            for name, question in record.questions.items()
        },
        "effects": [
            {
                "id": f"{record.case}/{effect.id}",
                "action": effect.action,
                "args": effect.args,
                "status": effect.status,
                "attempt": effect.attempt,
                "decision": effect.decision,
                "key": effect.key,
                "reason": effect.reason,
                "next_at": screen.iso(effect.next_at),
            }
            for effect in record.effects.values()
        ],
        "reviews": [
            {
                "id": f"{record.case}/{review.id}",
                "action": review.action,
                **({"question": review.question} if review.question else {}),
                "args": review.args,
                "groups": [{"group": group.name, "approvals": group.approvals} for group in review.groups],
                "approvals": len(review.approvals),
                "expires_at": screen.iso(review.expires_at),
            }
            for review in record.reviews.values()
        ],
        "timers": {name: screen.iso(timer.due) for name, timer in record.timers.items()},
        "parked": [{"id": one.id, "source": one.source} for one in record.parked],
        "past": {
            name: {"count": past.count, "decision": past.decision, "at": screen.iso(past.at)}
            for name, past in record.past.items()
        },
        "last_decision": record.last_decision,
        "paused": list(paused),
        **({} if valid is None else {"actions": [_action_data(row) for row in valid]}),
    }


def _show(record: CaseRecord, valid: list[ValidAction] | None, paused: tuple[str, ...]) -> None:
    screen.title(f"{record.case}  {record.status or '(not opened)'}")
    screen.pairs(
        [
            ("opened", screen.when(record.opened_at)),
            ("changed", f"{screen.when(record.updated_at)}, {record.version} messages"),
            ("release", record.release),
            ("last decision", record.last_decision),
            ("blocked by", record.blocked),
            ("paused", ", ".join(paused)),
        ],
        indent=2,
    )
    for flag in record.flags:
        screen.warning(flag)
    for task in _contradictions(record):
        screen.warning(f"{task.why} {task.group} is asked how it was: interlock resolve {record.case}/{task.id}")
    screen.title("State")
    screen.pairs([(name, screen.plain(value)) for name, value in record.state.items() if name != "status"], indent=2)
    if record.questions:
        screen.title("Questions being asked")
        screen.table(
            ("QUESTION", "ADVISOR", "ANSWER"),
            [
                (name, advisor, "has come" if asked.outcome else "awaited")
                for name, question in record.questions.items()
                for advisor, asked in question.asked.items()
            ],
            indent=2,
        )
    if record.effects:
        screen.title("Effects under way")
        screen.table(
            ("ID", "ACTION", "STATUS", "TRY", "WHAT"),
            [_effect_row(record, effect) for effect in record.effects.values()],
            indent=2,
        )
    if record.reviews:
        screen.title("Reviews")
        screen.table(
            ("ID", "ACTION", "ASKED", "EXPIRES", "WHAT"),
            [
                (
                    f"{record.case}/{review.id}",
                    review.about,
                    "+".join(group.name for group in review.groups),
                    screen.when(review.expires_at),
                    screen.args_words(review.args),
                )
                for review in record.reviews.values()
            ],
            indent=2,
        )
    if record.timers:
        screen.title("Timers")
        screen.pairs([(name, screen.when(timer.due)) for name, timer in record.timers.items()], indent=2)
    if record.parked:
        screen.title("Parked until the case is opened")
        screen.pairs([(one.source, one.id) for one in record.parked], indent=2)
    if record.past:
        screen.title("Took effect")
        screen.table(
            ("ACTION", "TIMES", "LAST", "DECISION"),
            [(name, past.count, screen.when(past.at), past.decision) for name, past in record.past.items()],
            indent=2,
        )
    if valid is not None:
        screen.title("Valid now")
        allowed = [row.action for row in valid if row.valid]
        screen.text("  " + (", ".join(allowed) or "nothing; `interlock actions` says why"))


def _effect_row(record: CaseRecord, effect: Effect) -> tuple[Any, ...]:
    what = screen.args_words(effect.args) + (f" ({effect.reason})" if effect.reason else "")
    return f"{record.case}/{effect.id}", effect.action, effect.status.replace("_", " "), effect.attempt, what


@command(
    name="actions",
    examples="interlock actions t1\ninterlock actions refunds/t1 --json",
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("key")
def actions(inv: Invocation, key: str) -> None:
    """Show what is valid in a case now, and what forbids the rest.

    Valid means: in the case's status, and after what already happened. Whether the policy allows it is decided when
    it is proposed.
    """
    with opening.to_read(inv) as store:
        found = opening.case_id(store, inv, key)
        record = store.case(found)
        if record is None:
            raise NotFound(f"There is no case {found}.")
        rows = _valid(inv, store, record)
    if inv.json:
        screen.document({"case": str(found), "status": record.status, "actions": [_action_data(row) for row in rows]})
        return
    screen.title(f"{found}  {record.status or '(not opened)'}")
    screen.table(
        ("ACTION", "VALID", "FORBIDDEN BY", "WHY"),
        [(row.action, "yes" if row.valid else "no", row.forbidden_by or "-", row.why) for row in rows],
    )
    forbidding = next((row.forbidden_by for row in rows if row.forbidden_by), "")
    if forbidding:
        screen.notice(f"More about it: interlock explain {forbidding}")


def _action_data(row: ValidAction) -> dict[str, Any]:
    return {
        "action": row.action,
        "valid": row.valid,
        **({"why": row.why} if row.why else {}),
        **({"forbidden_by": row.forbidden_by} if row.forbidden_by else {}),
    }


COMMANDS = {"cases": cases, "case": case, "actions": actions}
