"""docs/reference/errors.md: every stable code, from the source, with what it means and what to do.

The source is read, not imported: a code counts as soon as somebody writes it down, whether or not a test reaches it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import interlock
from interlock.vocabulary import errors

SOURCE = Path(interlock.__file__).parent

HEAD = """\
# Errors

<!-- Written by `python -m tests.docs.pages`; change the code, not this file. -->

An error has a code that stays the same from version to version, a message that says what was wrong and where, and
often a hint that says what to do. In Python it is `error.code`, `error.message` and `error.hint` of an
`InterlockError`; with `--json` the command line prints `{"error": {"code": ..., "message": ..., "hint": ...}}` and
ends with the exit code that [cli.md](cli.md#exit-codes) gives. Where it is known when to try again, `retry_after_s`
stands beside them, in seconds. Programs compare codes, never messages.

The mistakes of an automation, its policy or its release come together in one error (`definition`, `policy`), each with
file and line. What `interlock verify` finds are no errors but findings: [ledger.md](ledger.md).
"""

WORDS: dict[str, tuple[str, str]] = {
    "advice_score": ("A score is no number from 0 to 1.", "Correct the advisor; its answer counts as no answer."),
    "ambiguous": ("The name or the beginning of an id fits several things.", "Write more of it; the hint lists them."),
    "asks_in_circles": (
        "A rehearsal did not come to an end: reducers go on asking.",
        "Look which reducer asks again on each answer.",
    ),
    "at_work": ("A worker lives on a database that must be idle for this.", "Stop every worker, then repeat."),
    "backlog": (
        "Too many accepted messages wait (`inbox_max`, `inbox_automation_max`); nothing of this was kept.",
        "Send it again later, or add workers.",
    ),
    "bad_anchor": ("The file is no anchor.", "Take the file as it was written."),
    "bad_call": ("The arguments do not fit the action.", "Correct the fields that the message names."),
    "bad_data": ("The data cannot be recorded exactly.", "Send JSON of texts, whole numbers and decimals as text."),
    "bad_cells": (
        "The file that names the cells of a store cannot be used.",
        "Correct what the message names; see docs/howto/cells.md.",
    ),
    "bad_db": (
        "The name of the database names none.",
        "Write a path, `sqlite:///PATH`, `postgresql://USER@HOST/DATABASE` or `cells:FILE.toml`.",
    ),
    "bad_demo": ("The demonstration cannot be run with these numbers.", "Choose numbers in the range it names."),
    "bad_event": ("The event's form or its fields are wrong.", "Correct what the message names, and send it again."),
    "bad_id": ("The text is no id of a case or decision.", "Write `automation/key`, or `automation/key/3.0`."),
    "bad_input": ("The input does not fit the policy's schema.", "`interlock policy describe` shows what rules read."),
    "bad_json": ("The text is not JSON.", "Correct it at the line and column named."),
    "bad_key": (
        "The key for anchors cannot be used.",
        "Give an Ed25519 key in PEM: `interlock anchor --new-key FILE`.",
    ),
    "bad_level": ("There is no such level of verification.", "Use one that the hint names."),
    "bad_name": (
        "A key, id, source, principal or name is missing, too long or holds what cannot be printed.",
        "Choose another one.",
    ),
    "bad_place": ("Anchors cannot be kept there.", "Name a file, a folder or an http(s) address."),
    "bad_result": ("The result does not fit the action's result type.", "Correct the fields that the message names."),
    "bad_scope": ("The scope names nothing that can be paused.", "Write `all`, an automation or `automation/action`."),
    "bad_setting": ("A setting or its variable has a wrong value.", "See [settings.md](settings.md)."),
    "bad_signature": (
        "The anchor is unsigned, signed with another key, or was changed since.",
        "Find out which; do not trust it meanwhile.",
    ),
    "bad_text": ("The file is no UTF-8 text.", "Save it as UTF-8."),
    "bad_time": ("The time is none, has no zone, or lies out of range.", "Write `2026-01-31T12:00:00Z`."),
    "bad_unicode": ("The text is no valid Unicode.", "Send UTF-8 without lone surrogates."),
    "bad_verdict": ("A line of the verdicts' file is wrong; none was recorded.", "Correct the line named."),
    "bug": ("An invariant of interlock does not hold.", "Report it with the text; nothing of the unit was kept."),
    "conflict": (
        "The same id came before with another body, or what is to be made exists.",
        "Give what is new an id of its own; repeat what is the same unchanged.",
    ),
    "definition": ("The automation or its release cannot be loaded.", "Correct each place listed: `interlock check`."),
    "demo_damaged": ("Files of the demonstration are missing.", "Start anew with `--fresh`."),
    "demo_exists": ("The folder or database is another one's.", "Choose another, or start anew with `--fresh`."),
    "demo_extra": ("The demonstration needs an extra.", "Install what the hint names."),
    "disk_low": ("Too little room is left on the disk to take anything new.", "Make room; what was accepted goes on."),
    "draining": ("This worker is stopping.", "Send it to another one, or again after the restart."),
    "duplicate_key": ("A key stands twice in one JSON object.", "Send each once: readers differ in which they take."),
    "era_open": ("This era of the ledger is still being written.", "End it: `interlock db export FOLDER --finish`."),
    "erased": ("The personal data of this case was erased.", "It cannot be read or continued; open another case."),
    "error": ("The root of all errors; each that is raised has a code of its own.", "See its message."),
    "exists": ("What is to be written exists, and is never overwritten.", "Name another place."),
    "forked": ("An Interlock is used in a process forked after its opening.", "Open it after the fork, in each."),
    "integer_too_large": ("A number is larger than can be recorded.", "Send it as text."),
    "lazy_store": (
        "The store may lose what it acknowledged, and an action is irreversible.",
        "Use a durable store for it.",
    ),
    "no_automation": ("There is no automation where one was looked for.", "Name its folder: `--app` or INTERLOCK_APP."),
    "no_backup": ("There is no backup at that place.", "Name the file that `interlock backup` wrote."),
    "no_file": ("This can be done with a database in a file only.", "Do what the hint names on PostgreSQL."),
    "no_key": ("The key that anchors are signed with cannot be read.", "Set the variable, or mend the file."),
    "not_asked": ("This group is not asked in this review.", "Act for one that the hint names."),
    "not_comparable": ("Two policies give one field different types.", "Compare policies of one schema."),
    "not_delegated": ("The person has delegated nothing that covers this review now.", "Act in your own name."),
    "not_estranged": ("Nothing says that this database was put back.", "If you know that it was, say how: --comment."),
    "not_finite": ("A number is infinite or none.", "Send a finite number."),
    "not_found": ("No such case, decision, review, release or file.", "List what there is, as the hint says."),
    "not_hydrated": (
        "The content of a picture or document is not at hand here.",
        "Read it in advisors and performers.",
    ),
    "not_in_doubt": ("The effect's outcome is known.", "Look at it: `interlock history CASE`."),
    "not_installed": ("This needs an extra that is not installed.", "Install what the hint names."),
    "not_now": ("Right in form, and not possible in this state.", "Look at the state; repeat when it has changed."),
    "not_open": (
        "The review, task or delegation is closed; or the Interlock of a program is not open.",
        "Look what became of it; use the Interlock inside `with`.",
    ),
    "not_paused": ("The scope is not paused.", "The hint lists what is."),
    "not_recovering": ("The store is not in recovery.", "Nothing: effects may start."),
    "not_witnessed": ("An anchor could not be kept where it was to be.", "Mend the place; the ledger is whole."),
    "other_automation": ("The case belongs to another automation than the folder.", "Name the right one: `--app`."),
    "own_loop": ("A blocking call came from the loop that must answer it.", "Await the asynchronous form instead."),
    "poison": ("The message would be set aside: a reducer fails on it.", "Correct the reducer that is named."),
    "policy": ("The policy cannot be loaded.", "Correct each place listed: `interlock policy check`."),
    "refused": ("What was sent is not acceptable; nothing of it was kept.", "Change what the message names."),
    "stale_review": ("The review shows something else than was seen.", "Look at it again, then decide."),
    "store": ("The store cannot do its work.", "See its message: the operator must act."),
    "store_backup": ("A store of several cells has no one state to write out.", "Back up each cell by its own means."),
    "store_busy": ("Another process holds the database.", "Try again; if it lasts, look who holds it."),
    "store_conflict": ("Another writer was first; the unit left no trace.", "Nothing: it is tried again by itself."),
    "store_corrupt": (
        "The file is damaged, or no database.",
        "Restore it: [backup and restore](../howto/backup-and-restore.md).",
    ),
    "store_estranged": (
        "The database may not be its newest state: it was put back, or copied.",
        "Recover it: [backup and restore](../howto/backup-and-restore.md).",
    ),
    "store_full": ("The disk is full; nothing of the transaction was kept.", "Make room."),
    "store_gone": ("The database was deleted or replaced while open.", "Stop the process; put the right file back."),
    "store_io": ("The file could not be read or written.", "Check the disk."),
    "store_missing": ("There is no database.", "Name it: `--db` or INTERLOCK_DB; `interlock run` makes one."),
    "store_open": ("The file cannot be opened or made.", "Check its path, its folder and its permissions."),
    "store_read_only": ("The database cannot be written.", "Check permissions and the mount."),
    "store_slots": ("The number of slots does not fit; it is fixed when a store is made.", "Leave `slots` out."),
    "store_version": ("Another version of the program made the database.", "Use a version that speaks with it."),
    "too_deep": ("The data is nested too deep.", "Flatten it."),
    "too_large": ("The text, event or file is larger than the limit named.", "Send large things as payloads."),
    "unsettled": ("The case was still moving when the waiting ended.", "Nothing is wrong with it; wait longer."),
    "worker_name": ("A worker of this name is running on the database.", "Give each worker its own name."),
}
"""Code to (what it means, what to do). A code that is missing here, or that nothing raises, fails a test."""


@cache
def raised() -> dict[str, set[str]]:
    """Every code in the source, with the names of the errors that carry it."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(SOURCE.rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    bases = {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for node in nodes
        if isinstance(node, ast.ClassDef)
    }

    def is_error(name: str) -> bool:
        return name == "InterlockError" or any(is_error(base) for base in bases.get(name, ()) if base != name)

    found: dict[str, set[str]] = {}
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=name)) if is_error(name):
                given = [one.value for one in node.keywords if one.arg == "code"]
            case ast.ClassDef(name=name) if is_error(name):
                given = [
                    one.value
                    for one in node.body
                    if isinstance(one, ast.Assign)
                    and any(isinstance(to, ast.Name) and to.id == "code" for to in one.targets)
                ]
            case _:
                continue
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.setdefault(value.value, set()).add(name)
    return found


def page() -> str:
    """The whole document."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield "## Who must act\n"
    tree = inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1]
    yield f"```text\n{inspect.cleandoc(tree)}\n```\n"
    yield "## Codes\n"
    yield "| code | error | what it means | what to do |\n|---|---|---|---|"
    for code, names in sorted(raised().items()):
        meaning, remedy = WORDS[code]
        yield f"| `{code}` | {', '.join(sorted(names))} | {meaning} | {remedy} |"
