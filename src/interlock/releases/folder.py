"""From a folder to what runs: automation.py, policy.yaml, release.toml and prompts; effects.py and advisors.py apart.

`load_folder` imports automation.py only, so whoever checks a policy or replays a case runs none of the code that
touches the world.
`load_effects` imports the rest. `check_folder` reports every mistake of all files at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from interlock.automation.app import Automation
from interlock.automation.defining import sorted_problems, survey
from interlock.automation.definition import Definition
from interlock.automation.effects import Effects, collect_effects
from interlock.automation.modules import Folder, folder_at
from interlock.automation.policyschema import derive_schema
from interlock.automation.wire import Wire
from interlock.policy import Policy
from interlock.policy import load as load_policy
from interlock.policy.schema import Schema
from interlock.releases.reading import read_release
from interlock.releases.spec import ReleaseSpec
from interlock.vocabulary.errors import DefinitionErrors, Problem

AUTOMATION, EFFECTS, ADVISORS = "automation", "effects", "advisors"
POLICY_FILE, RELEASE_FILE = "policy.yaml", "release.toml"

VERIFIED = "answer"
"""What a verifier's prompt calls the answer that it is to judge, beside the question's own fields."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


@dataclass(frozen=True)
class Loaded:
    """An automation with its policy and release, without the code that touches the world.

    prompts     text by path in the folder, for the chat advisors that name them
    artefacts   content digest by path in the folder
    """

    folder: Path
    definition: Definition
    wire: Wire
    schema: Schema
    policy: Policy
    spec: ReleaseSpec
    prompts: Mapping[str, str]
    artefacts: Mapping[str, str]
    modules: Folder

    @property
    def name(self) -> str:
        return self.definition.name


def load_folder(path: str | Path, *, app: Automation[Any, Any] | None = None) -> Loaded:
    """Read a folder (or the folder of a file in it). Raises DefinitionErrors with every problem of these files.

    `app` is the automation when the caller has already imported it (an embedding script); its module is used, not a
    second copy.
    """
    remarks: list[Problem] = []
    loaded, problems = _survey(path, app, remarks=remarks)
    if problems or loaded is None:
        raise DefinitionErrors(sorted_problems(problems), sorted_problems(remarks))
    return loaded


def load_effects(loaded: Loaded) -> Effects:
    """Import effects.py and advisors.py and collect what they hold.

    Raises DefinitionErrors with every problem of these files.
    """
    effects, problems = _effects(loaded.modules, loaded.definition, loaded.spec)
    if problems or effects is None:
        raise DefinitionErrors(sorted_problems(problems))
    return effects


def survey_folder(path: str | Path) -> tuple[Loaded | None, Effects | None, list[Problem]]:
    """What can be loaded of a folder and every problem of all its files, sorted."""
    readable: list[tuple[Folder, Definition, ReleaseSpec]] = []
    loaded, problems = _survey(path, None, readable=readable)
    effects: Effects | None = None
    for parts in readable:  # A mistake in the policy hides none in effects.py.
        effects, more = _effects(*parts)
        problems = [*problems, *more]
    return loaded, effects, sorted_problems(problems)


def folder_of(path: str | Path) -> Path:
    """The folder itself, or the folder that a file is in."""
    given = Path(path)
    return (given.parent if given.is_file() else given).resolve()


def _survey(
    path: str | Path,
    app: Automation[Any, Any] | None,
    *,
    readable: list[tuple[Folder, Definition, ReleaseSpec]] | None = None,
    remarks: list[Problem] | None = None,
) -> tuple[Loaded | None, list[Problem]]:
    """What can be loaded without effects.

    `readable` is given what effects are checked against, once that is known; `remarks` what was seen in a policy that
    cannot be loaded and is no mistake.
    """
    folder = folder_of(path)
    if not folder.is_dir():
        return None, [
            Problem(str(path), 1, "there is no such folder.", "`interlock init` writes a small working automation.")
        ]
    modules = folder_at(folder)
    if modules.file(AUTOMATION) is None:
        return None, [
            Problem(
                f"{AUTOMATION}.py",
                1,
                f"{folder} has no {AUTOMATION}.py.",
                "`interlock init` writes a small working automation.",
            )
        ]
    try:
        module = modules.load(AUTOMATION)
    except DefinitionErrors as error:
        return None, list(error.problems)
    if app is not None and app not in vars(module).values():
        return None, [
            Problem(
                f"{AUTOMATION}.py",
                1,
                f"the automation {app.name!r} is not the one in {folder}.",
                "Give the folder that its automation.py is in.",
            )
        ]
    definition, problems = survey([module], app=app)
    if definition is None:
        return None, problems

    bare = derive_schema(definition)
    release_text = _read(folder / RELEASE_FILE)
    spec, found = read_release(release_text or "", definition, bare)
    problems = [*problems, *found]
    if readable is not None:
        readable.append((modules, definition, spec))
    schema = derive_schema(definition, dependencies=sorted(spec.breakers))
    prompts, found = _prompts(folder, definition, spec)
    problems += found
    artefacts, found = _artefacts(folder, spec)
    problems += found
    policy_text = _read(folder / POLICY_FILE)
    if policy_text is None:
        problems.append(
            Problem(
                POLICY_FILE,
                1,
                f"{folder} has no {POLICY_FILE}.",
                "Without rules nothing is permitted: write one, `interlock init` shows how.",
            )
        )
        return None, problems
    try:
        policy = load_policy(policy_text, file=POLICY_FILE, schema=schema, fallbacks=tuple(definition.fallbacks))
    except DefinitionErrors as error:
        if remarks is not None:
            remarks += error.remarks
        return None, [*problems, *error.problems]
    loaded = Loaded(folder, definition, Wire(definition), schema, policy, spec, prompts, artefacts, modules)
    return loaded, problems


def _effects(folder: Folder, definition: Definition, spec: ReleaseSpec) -> tuple[Effects | None, list[Problem]]:
    problems: list[Problem] = []
    modules: list[ModuleType] = [*definition.modules]
    for name in (EFFECTS, ADVISORS):
        if folder.file(name) is None:
            continue
        try:
            modules.append(folder.load(name))
        except DefinitionErrors as error:
            problems += error.problems
    if problems:
        return None, problems
    effects, problems = collect_effects(definition, modules, elsewhere=spec.gateway_actions)
    for question in spec.questions.values():
        for advisor in spec.answering(question.name):
            known = spec.advisors.get(advisor)
            if known is not None and known.kind == "code" and (question.name, advisor) not in effects.advisors:
                problems.append(
                    Problem(
                        RELEASE_FILE,
                        _line(folder.path / RELEASE_FILE, f"[questions.{question.name}]"),
                        f"question {question.name} asks {advisor}, but no code answers it under that name.",
                        f'Write @{question.name}.advisor("{advisor}") in advisors.py, or give it a `kind`.',
                    )
                )
    return effects, problems


def _prompts(folder: Path, definition: Definition, spec: ReleaseSpec) -> tuple[dict[str, str], list[Problem]]:
    """Prompt texts, their placeholders checked against the fields of every question that uses them."""
    prompts: dict[str, str] = {}
    problems: list[Problem] = []
    for question in spec.questions.values():
        fields = definition.questions[question.name].type.model_fields
        verifying = spec.verifying(question.name)
        for name in dict.fromkeys((*spec.answering(question.name), *verifying)):
            advisor = spec.advisors.get(name)
            if advisor is None or advisor.prompt is None:
                continue
            takes = [*fields, *((VERIFIED,) if name in verifying else ())]
            text = prompts.get(advisor.prompt) or _read(folder / advisor.prompt)
            if text is None:
                line = _line(folder / RELEASE_FILE, f"[advisors.{name}]")
                problems.append(
                    Problem(
                        RELEASE_FILE,
                        line,
                        f"[advisors.{name}]: there is no file {advisor.prompt}.",
                        "Paths begin at the automation's folder.",
                    )
                )
                continue
            prompts[advisor.prompt] = text
            for found in _PLACEHOLDER.finditer(text):
                if found[1] is None:
                    continue
                field = found[1].partition(".")[0]
                if field not in takes:
                    line = text.count("\n", 0, found.start()) + 1
                    known = ", ".join(f"{{{one}}}" for one in takes)
                    problems.append(
                        Problem(
                            advisor.prompt,
                            line,
                            f"{{{found[1]}}} is no field of question {question.name}.",
                            f"Known: {known}; a brace itself is {{{{.",
                        )
                    )
    return prompts, sorted_problems(problems)


def _artefacts(folder: Path, spec: ReleaseSpec) -> tuple[dict[str, str], list[Problem]]:
    digests: dict[str, str] = {}
    problems: list[Problem] = []
    for advisor in spec.advisors.values():
        for name in advisor.artefacts:
            file = folder / name
            if not file.is_file():
                line = _line(folder / RELEASE_FILE, f"[advisors.{advisor.name}]")
                problems.append(
                    Problem(
                        RELEASE_FILE,
                        line,
                        f"[advisors.{advisor.name}]: there is no file {name}.",
                        "Paths begin at the automation's folder.",
                    )
                )
                continue
            digests[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return digests, problems


def _read(file: Path) -> str | None:
    """The text of a file, None if there is none. Raises DefinitionErrors if it is no text."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, OSError) as error:
        raise DefinitionErrors(
            [Problem(file.name, 1, f"{file} cannot be read as text: {error}.", "Save it as UTF-8.")]
        ) from None


def _line(file: Path, text: str) -> int:
    """Line of a table header, 1 if it is not there."""
    for number, line in enumerate((_read(file) or "").splitlines(), start=1):
        if line.strip().startswith(text):
            return number
    return 1
