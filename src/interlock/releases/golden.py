"""What a release leaves in its folder for the next one: `release.lock` and golden states.

`release.lock` is the manifest. Against it `interlock check` finds a state that changed since without an upcaster,
without any database. `golden.jsonl` holds states as that release stored them, and what they were read as by each
release since: whoever changes the state or an upcaster later sees at once whether old states still read, and as what.

INVARIANT: a golden state is never rewritten. What it reads as under a schema is written once, by the release that
first had that schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.automation.sampling import sample_plain
from interlock.automation.shape import shape_of
from interlock.releases.manifest import Manifest
from interlock.releases.program import Release, load_release
from interlock.releases.succession import succession_problems
from interlock.vocabulary import canonical
from interlock.vocabulary.errors import DefinitionErrors, Problem

LOCK = "release.lock"
GOLDEN = "golden.jsonl"

Data = dict[str, Any]


@dataclass(frozen=True)
class Golden:
    """A state as it was stored. `reads`: by schema id, what it reads as under that schema."""

    schema: str
    state: Data
    reads: dict[str, Data]

    def to_line(self) -> str:
        return canonical.encode({"schema": self.schema, "state": self.state, "reads": self.reads}).decode() + "\n"


@dataclass(frozen=True)
class Created:
    """`states`: golden states in the folder now, `added` of them by this release."""

    release: str
    states: int
    added: int


def create(folder: str | Path) -> Created:
    """Write release.lock and the golden states of the release in a folder.

    Raises DefinitionErrors where the states of the release before could not be read, and for any other mistake.
    """
    place = Path(folder)
    release = load_release(place)
    problems = released_problems(place, release)
    if problems:
        raise DefinitionErrors(problems)
    _, _, schema = release.program.reducers.initial()
    known = _read(place)
    old = [Golden(one.schema, one.state, {schema: _current(release, one), **one.reads}) for one in known]
    seen = {canonical.encode([one.schema, one.state]) for one in known}
    new = [
        Golden(schema, state, {schema: state})
        for state in _samples(release)
        if canonical.encode([schema, state]) not in seen
    ]
    _write(place / GOLDEN, "".join(one.to_line() for one in (*old, *new)))
    _write(place / LOCK, release.manifest.to_bytes().decode() + "\n")
    return Created(release.id, len(old) + len(new), len(new))


def released_problems(folder: str | Path, release: Release) -> list[Problem]:
    """What the release in a folder could not take over from the last one that was created there."""
    place = Path(folder)
    lock = place / LOCK
    if not lock.is_file():
        return []
    try:
        previous = Manifest.from_bytes(lock.read_bytes())
    except ValueError as error:
        return [Problem(LOCK, 1, f"this is no release: {error}.", "Take it from the history of the folder.")]
    problems = succession_problems(release.loaded.definition, previous)
    return problems or _golden_problems(place, release)


def _golden_problems(place: Path, release: Release) -> list[Problem]:
    try:
        known = _read(place)
    except ValueError as error:
        return [Problem(GOLDEN, 1, f"{error}.", "Take it from the history of the folder.")]
    _, _, schema = release.program.reducers.initial()
    problems: list[Problem] = []
    for number, one in enumerate(known, 1):
        try:
            state = _current(release, one)
        except Exception as error:  # noqa: BLE001 - whatever an upcaster raises is what is wrong with it
            what = f"a state of {one.schema} can no longer be read: {type(error).__name__}: {error}."
            problems.append(Problem(GOLDEN, number, what, "Mend its upcaster, or write one."))
            continue
        expected = one.reads.get(schema)
        if expected is not None and expected != state:
            what = (
                f"a state of {one.schema} reads as {_short(state)}; when it was released it read as {_short(expected)}."
            )
            help_ = "An upcaster that cases have gone through must not change; give the state a new type instead."
            problems.append(Problem(GOLDEN, number, what, help_))
    return problems


def _current(release: Release, one: Golden) -> Data:
    state, _ = release.program.reducers.current(json.loads(json.dumps(one.state)), one.schema)
    return json.loads(canonical.encode(state))


def _samples(release: Release) -> list[Data]:
    """The state of a new case, and the simplest one in each status."""
    reducers, codec = release.program.reducers, release.loaded.definition.case_codec
    first, _, schema = reducers.initial()
    found = [json.loads(canonical.encode(first))]
    simplest = sample_plain(shape_of(codec.schema))
    for status in sorted(release.program.flow):
        try:
            state, _ = reducers.current(codec.dump(codec.load({**simplest, "status": status})), schema)
        except ValueError:  # A type with checks of its own, which its shape does not show.
            continue
        found.append(json.loads(canonical.encode(state)))
    return list({canonical.encode(one): one for one in found}.values())


def _read(place: Path) -> Sequence[Golden]:
    file = place / GOLDEN
    if not file.is_file():
        return []
    found: list[Golden] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            said = json.loads(line)
            found.append(Golden(str(said["schema"]), dict(said["state"]), dict(said["reads"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} is no golden state: {error}") from None
    return found


def _write(file: Path, text: str) -> None:
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def _short(state: Data) -> str:
    text = canonical.encode(state).decode()
    return text if len(text) <= 200 else text[:200] + "..."
