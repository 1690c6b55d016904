"""`interlock init`, `check` and `graph`: making an automation and finding out whether it is one."""

from __future__ import annotations

import re
from pathlib import Path

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Invocation, command
from interlock.vocabulary.errors import Conflict, NotFound, Problem, Refused

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}", re.ASCII)

TEMPLATE = Path(__file__).parent / "template"
"""The files of a new automation. They end in .txt because they are not modules of this package."""


@command(
    name="init",
    examples="interlock init tickets\ncd tickets && interlock check && pytest",
    codes=[exits.WRONG, exits.OPERATOR],
    db=False,
    app=False,
)
@click.argument("name")
def init(inv: Invocation, name: str) -> None:
    """Write a small working automation with tests.

    NAME is the folder to make; its last part names the automation. Refunds for support tickets: an advisor made of
    plain rules, a policy with tests, a budget, reviews, and effects that write to files. It passes `interlock check`
    and `pytest` and runs as it is. Nothing that exists is overwritten.
    """
    folder = Path(name)
    automation = folder.name
    if NAME.fullmatch(automation) is None:
        raise Refused(
            f"{automation!r} cannot name an automation.",
            code="bad_name",
            hint="Begin with a letter; letters, digits, _ and - may follow, at most 63 characters.",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} exists and is not an empty folder.", code="exists", hint="Choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    for file, text in new_automation(automation).items():
        with (folder / file).open("x", encoding="utf-8", newline="\n") as out:
            out.write(text)
        written.append(file)
    if inv.json:
        screen.document({"folder": str(folder), "automation": automation, "files": written})
        return
    screen.title(f"{folder}/")
    screen.text("\n".join(f"  {file}" for file in written))
    screen.notice(f"\nNext: cd {folder} && interlock check && pytest, then read README.md.")


def new_automation(name: str) -> dict[str, str]:
    """Contents by file name of a new automation of this name."""
    from datetime import UTC, datetime, timedelta

    test = f"test_{name.replace('-', '_').lower()}.py"
    until = (datetime.now(UTC) + timedelta(days=365)).date().isoformat()
    files = {
        "automation.py": "automation.py.txt",
        "advisors.py": "advisors.py.txt",
        "effects.py": "effects.py.txt",
        "policy.yaml": "policy.yaml.txt",
        "release.toml": "release.toml.txt",
        test: "test.py.txt",
        "events.jsonl": "events.jsonl.txt",
        "README.md": "README.md.txt",
    }
    return {
        file: (TEMPLATE / template)
        .read_text(encoding="utf-8")
        .replace("@NAME@", name)
        .replace("@TEST@", test)
        .replace("@UNTIL@", until)
        for file, template in files.items()
    }


@command(
    name="check",
    examples="""
        interlock check
        interlock check automations/refunds automations/claims
        interlock check --db production.db               # and whether its cases could be taken over
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("folders", nargs=-1, metavar="[FOLDER...]")
def check(inv: Invocation, folders: tuple[str, ...]) -> None:
    """Find every mistake in an automation's folder.

    Types, flow, reducers, policy, release and effects, all at once, each with file and line and what to write
    instead. Nothing is run but the imports. What the policy's author cannot have meant is warned of; `interlock policy
    check` says it with carets, and `interlock policy test` runs the policy's own tests.

    Where `interlock release create` has left a release.lock, also whether the states of that release and of all before
    it can still be read, and read as what they did. With --db, also whether the cases in that database, made under
    earlier releases, could be read.
    """
    from interlock.policy import lint
    from interlock.releases import check_folder, load_release
    from interlock.releases.golden import released_problems

    chosen = folders or (inv.app,)
    told: list[dict[str, object]] = []
    failed = False
    for folder in chosen:
        if not Path(folder).exists():
            raise NotFound(f"There is no folder {folder}.", hint="Name an automation's folder: interlock check FOLDER.")
        found = check_folder(folder)
        if not found:
            found = tuple(released_problems(folder, load_release(folder)))
        if inv.db_given and not found:
            found = _left_behind(inv, folder)
        if found:
            failed = True
            told.append({"folder": folder, "ok": False, "problems": [exits.problem_data(one) for one in found]})
            if not inv.json:
                screen.problems(found)
            continue
        release = load_release(folder)
        definition = release.loaded.definition
        remarks = lint(release.loaded.policy)
        told.append(
            {
                "folder": folder,
                "ok": True,
                "automation": release.name,
                "release": release.id,
                "problems": [],
                "remarks": [{"code": one.code, **exits.problem_data(one)} for one in remarks],
            }
        )
        if not inv.json:
            parts = (
                _many(len(definition.events), "event type"),
                _many(len(definition.questions), "question"),
                _many(len(definition.actions), "action"),
                _many(len(release.loaded.policy.rules), "rule"),
            )
            screen.text(f"{release.name}: ok, release {release.id} ({', '.join(parts)})")
            for one in remarks:
                screen.warning(f"{one.file}:{one.line}:{one.column}: {one.message}. {one.suggestion}".rstrip())
    if inv.json:
        screen.document({"ok": not failed, "automations": told})
    if failed:
        click.get_current_context().exit(exits.WRONG)


def _left_behind(inv: Invocation, folder: str) -> tuple[Problem, ...]:
    """What cases in the database hold that this folder's release could not read."""
    from interlock.assembly.succession import unreadable
    from interlock.releases import load_release

    with opening.store(inv) as store:
        return tuple(unreadable(store, load_release(folder)))


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


@command(
    name="graph",
    examples="interlock graph > flow.mmd\ninterlock graph --effects",
    codes=[exits.WRONG],
    db=False,
)
@click.option("--effects", is_flag=True, help="Draw what may become of an effect instead: the same for every action.")
def graph(inv: Invocation, effects: bool) -> None:
    """Draw the flow of an automation, as Mermaid text.

    Statuses, the moves between them and the actions valid in each. Any Markdown viewer that knows Mermaid shows it.
    """
    from interlock.ledger import effect_diagram, flow_diagram

    if effects:
        drawn = effect_diagram()
    else:
        from interlock.releases import load_release

        drawn = flow_diagram(load_release(inv.app).program)
    if inv.json:
        screen.document({"mermaid": drawn})
    else:
        screen.text(drawn)


COMMANDS = {"init": init, "check": check, "graph": graph}
