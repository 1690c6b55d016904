"""`interlock release ...`: what a release is made of, and how two differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli import exits, opening, screen
from interlock.cli.options import Group, Invocation, command
from interlock.vocabulary.errors import NotFound, Refused

if TYPE_CHECKING:
    from interlock.releases import Manifest


@click.group(name="release", cls=Group)
def release() -> None:
    """What a release is made of, and how two differ.

    A release is named by its content: prompts, models and parameters, policy, thresholds, budgets, types and code. A
    comment changes nothing of it; a changed prompt or helper function does.
    """


@command(name="list", examples="interlock release list", codes=[exits.OPERATOR], app=False)
def list_(inv: Invocation) -> None:
    """List the releases that have worked on this database, oldest first."""
    with opening.to_read(inv) as store:
        found = sorted(store.releases(), key=lambda one: one[2])
    if inv.json:
        screen.document(
            {"releases": [{"id": id_, "automation": name, "since": screen.iso(at)} for id_, name, at in found]}
        )
        return
    screen.table(
        ("RELEASE", "AUTOMATION", "SINCE"),
        [(id_, name, screen.when(at)) for id_, name, at in found],
        empty="No release has worked on this database.",
    )


@command(
    name="show",
    examples="""
        interlock release show
        interlock release show automations/refunds --json
        interlock release show 5f0c2a917b3e4d68
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("release_", metavar="[FOLDER|ID]", required=False)
def show(inv: Invocation, release_: str | None) -> None:
    """Show a release's id and the hash of each of its components.

    FOLDER is an automation's folder, by default that of --app; ID one that the database knows.
    """
    manifest = _manifest(inv, release_ or inv.app)
    if inv.json:
        screen.document({"id": manifest.id, "automation": manifest.automation, "components": dict(manifest.components)})
        return
    screen.title(f"{manifest.automation}  {manifest.id}")
    screen.table(
        ("COMPONENT", "HASH"), [(name, hash_[:16]) for name, hash_ in sorted(manifest.components.items())], indent=2
    )


@command(
    name="diff",
    examples="""
        interlock release diff automations/refunds ../main/automations/refunds
        interlock release diff 5f0c2a917b3e4d68 automations/refunds --db production.db
    """,
    codes=[exits.WRONG, exits.OPERATOR],
)
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option("--exit-code", is_flag=True, help="Exit 1 if they differ.")
def diff(inv: Invocation, before: str, after: str, exit_code: bool) -> None:
    """Show which components differ between two releases: folders, or ids that the database knows.

    Where code differs, the functions that were changed are named, not only the reducers that reach them.
    """
    one, other = _manifest(inv, before), _manifest(inv, after)
    rows = _changes(one.components, other.components)
    functions = _changes(_functions(one), _functions(other))
    if inv.json:
        screen.document(
            {
                "before": one.id,
                "after": other.id,
                "same": one.id == other.id,
                "components": [_change_data(row) for row in rows],
                "functions": [_change_data(row) for row in functions],
            }
        )
    elif not rows:
        screen.text(f"The same release: {one.id}")
    else:
        screen.title(f"{one.automation} {one.id} -> {other.automation} {other.id}")
        screen.table(
            ("COMPONENT", "WHAT", "BEFORE", "AFTER"),
            [(name, what, (was or "-")[:12], (now or "-")[:12]) for name, what, was, now in rows],
            indent=2,
        )
        if functions:
            screen.title("Code")
            screen.table(("NAME", "WHAT"), [(name, what) for name, what, _, _ in functions], indent=2)
    if exit_code and rows:
        click.get_current_context().exit(exits.WRONG)


Change = tuple[str, str, str | None, str | None]


def _changes(before: Any, after: Any) -> list[Change]:
    found: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now:
            what = "added" if was is None else "removed" if now is None else "changed"
            found.append((name, what, was, now))
    return found


def _functions(manifest: Manifest) -> dict[str, str]:
    return dict(manifest.body.get("functions", {}))


def _change_data(row: Change) -> dict[str, Any]:
    name, what, was, now = row
    return {"name": name, "what": what, "before": was, "after": now}


def _manifest(inv: Invocation, name: str) -> Manifest:
    from interlock.releases import Manifest, load_release

    if Path(name).is_dir():
        if not (Path(name) / "automation.py").is_file():
            raise NotFound(f"{name} is no automation: it has no automation.py.", code="no_automation")
        return load_release(name).manifest
    with opening.to_read(inv) as store:
        ids = [id_ for id_, _, _ in store.releases() if id_.startswith(name)]
        if len(ids) > 1:
            raise Refused(
                f"{name} may be any of these: {', '.join(ids)}.", code="ambiguous", hint="Write more of the id."
            )
        found = store.release(ids[0]) if ids else None
    if found is None:
        raise NotFound(
            f"{name} is neither a folder nor a release of this database.", hint="`interlock release list` lists them."
        )
    return Manifest.from_bytes(found)


@command(
    name="create",
    examples="interlock release create\ninterlock release create automations/refunds --json",
    codes=[exits.WRONG],
    db=False,
)
@click.argument("folder", metavar="[FOLDER]", required=False)
def create(inv: Invocation, folder: str | None) -> None:
    """Leave in the folder what the next release is checked against.

    Writes release.lock, the release as data, and golden.jsonl, states as this release stores them. Commit both. From
    then on `interlock check` finds a state that changed without an upcaster, and an upcaster that changed.
    """
    from interlock.releases.golden import create as create_in

    name = folder or inv.app
    if not (Path(name) / "automation.py").is_file():
        raise NotFound(f"{name} is no automation: it has no automation.py.", code="no_automation")
    made = create_in(name)
    if inv.json:
        screen.document({"release": made.release, "states": made.states, "added": made.added})
    else:
        screen.text(f"{made.release}: {screen.count(made.states, 'golden state')}, {made.added} of them new")


for declared in (list_, show, diff, create):
    release.add_command(declared)

COMMANDS: dict[str, click.Command] = {"release": release}
