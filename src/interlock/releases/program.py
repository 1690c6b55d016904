"""The kernel's program of a release: tables from the manifest, functions from the loaded code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.automation.app import Automation
from interlock.automation.defining import sorted_problems
from interlock.automation.effects import Effects
from interlock.automation.reducing import UserReducers
from interlock.kernel.program import Program
from interlock.releases.folder import Loaded, load_effects, load_folder, survey_folder
from interlock.releases.manifest import Manifest, build_manifest
from interlock.vocabulary.errors import DefinitionErrors, Problem
from interlock.vocabulary.verdict import Group


@dataclass(frozen=True)
class Release:
    """An automation with everything that runs it, under its id."""

    loaded: Loaded
    effects: Effects
    manifest: Manifest
    program: Program

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def name(self) -> str:
        return self.loaded.name


def load_release(path: str | Path, *, app: Automation[Any, Any] | None = None) -> Release:
    """Load a folder whole. Raises DefinitionErrors with every problem of the files that could be read."""
    loaded = load_folder(path, app=app)
    effects = load_effects(loaded)
    manifest = build_manifest(loaded, effects)
    return Release(loaded, effects, manifest, build_program(loaded, manifest))


def build_program(loaded: Loaded, manifest: Manifest) -> Program:
    """The program under a manifest: of this code as it is, or a stored one whose decisions are to be replayed with
    this code.
    """
    body = manifest.body
    questions = manifest.questions()
    reducers = UserReducers(
        loaded.definition, loaded.wire, loaded.schema, {name: one.component for name, one in questions.items()}
    )
    actions = manifest.actions()
    return Program(
        automation=loaded.name,
        release=manifest.id,
        flow={status: (frozenset(may), frozenset(to)) for status, (may, to) in body["flow"].items()},
        opening=frozenset(body["opening"]),
        events=frozenset(body["events"]),
        actions=actions,
        questions=questions,
        policy=loaded.policy,
        reducers=reducers,
        budgets=manifest.budgets(),
        certificates=manifest.certificates(),
        autonomy_off=frozenset(body["autonomy_off"]),
        cells=frozenset(name for name in body["cells"] if actions[name].reversible),
        dependencies={name: one for name, one in body["dependencies"].items() if one != f"action:{name}"},
        reviews=manifest.reviews(),
        breakers=dict(body["breakers"]),
        fallbacks=frozenset(body["fallbacks"]),
        review_group=next(iter(loaded.policy.default.to), Group("review")),
        orphan_after=body["orphan_after"],
    )


def check_folder(path: str | Path) -> tuple[Problem, ...]:
    """Every problem of every file of a folder, in file order; none if it can run.

    Raises nothing for an author's mistake.
    """
    loaded, effects, problems = survey_folder(path)
    if loaded is not None and effects is not None and not problems:
        try:
            build_manifest(loaded, effects)
        except DefinitionErrors as error:
            problems = sorted_problems(error.problems)
    return tuple(problems)
