"""The manifest of a release: a content hash per component, one id over them, and everything that judging a decision
again needs.

Components are named by what they are (`reducer:Presented`, `policy`, `prompt:prompts/triage.md`), so that a difference
between two releases
can be told and bisected. The body holds, as plain data, what a decision was judged with: policy, derived schema, flow,
actions,
certificates, budgets, reviews, questions. A decision of years ago is judged again from it alone, without the code.

INVARIANT: equal components give equal ids on every machine. A comment, a docstring or a moved line changes no
component.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from interlock.automation.definition import Definition
from interlock.automation.effects import Effects
from interlock.automation.shape import shape_of
from interlock.releases.closure import Closures
from interlock.releases.folder import Loaded
from interlock.releases.spec import AdvisorSpec
from interlock.vocabulary import canonical
from interlock.vocabulary.action import ActionSpec
from interlock.vocabulary.facts import SEMANTICS
from interlock.vocabulary.release import BudgetSpec, Certificate, QuestionSpec, ReviewSpec

FORMAT = 1
"""Version of the manifest's own layout."""

NOT_BEHAVIOUR = ("base_url", "url", "key", "key_env", "headers", "price")
"""Options of an advisor that say where it is, who pays and how much, not what it answers."""


@dataclass(frozen=True)
class Manifest:
    """`components`: name to hash. `body`: plain data, see `build_manifest`. `id`: the release."""

    automation: str
    components: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        """First 16 hex digits of the sha256 over the components."""
        return hashlib.sha256(canonical.encode([self.automation, dict(self.components)])).hexdigest()[:16]

    def to_bytes(self) -> bytes:
        """Canonical JSON, the form in which a release is stored."""
        return canonical.encode(
            {"format": FORMAT, "automation": self.automation, "components": self.components, "body": self.body}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The inverse of `to_bytes`. Raises ValueError for anything else."""
        try:
            found = canonical.decode(data)
            if found["format"] != FORMAT:
                raise ValueError(f"a manifest of format {found['format']}; this program reads format {FORMAT}")
            return cls(found["automation"], found["components"], found["body"])
        except (KeyError, TypeError, msgspec.DecodeError) as error:
            raise ValueError(f"not a release manifest: {error!r}") from error

    # --- what the kernel reads, typed ---------------------------------------------------------------------------------

    def actions(self) -> dict[str, ActionSpec]:
        return {name: msgspec.convert(one, ActionSpec) for name, one in self.body["actions"].items()}

    def questions(self) -> dict[str, QuestionSpec]:
        return {name: msgspec.convert(one, QuestionSpec) for name, one in self.body["questions"].items()}

    def budgets(self) -> tuple[BudgetSpec, ...]:
        return tuple(msgspec.convert(one, BudgetSpec) for one in self.body["budgets"])

    def certificates(self) -> dict[str, tuple[Certificate, ...]]:
        return {
            name: tuple(msgspec.convert(one, Certificate) for one in several)
            for name, several in self.body["certificates"].items()
        }

    def reviews(self) -> dict[str, ReviewSpec]:
        return {name: msgspec.convert(one, ReviewSpec) for name, one in self.body["reviews"].items()}


def build_manifest(loaded: Loaded, effects: Effects) -> Manifest:
    """The manifest of what is loaded.

    Raises DefinitionErrors for code that no hash can be honest about, with the path to it.
    """
    definition, spec = loaded.definition, loaded.spec
    closures = Closures(loaded.folder, _types(definition))
    components: dict[str, str] = {}

    for (kind, name), reducer in definition.reducers.items():
        component = _reducer_name(kind, name, definition)
        components[component] = closures.pure(reducer.function, component)
    for name, fallback in definition.fallbacks.items():
        components[f"fallback:{name}"] = closures.pure(fallback.function, f"fallback:{name}")
    for upcast in definition.upcasts:
        components[f"upcast:{upcast.old.__name__}"] = closures.pure(upcast.function, f"upcast:{upcast.old.__name__}")
    types = _shapes(definition)
    for name, codec_shape in types.items():
        components[f"types:{name}"] = closures.type_component(_type_named(definition, name), codec_shape)

    actions = {
        name: msgspec.structs.replace(
            action.spec,
            fenced=name in effects.fences,
            checked=name in effects.checkers and action.spec.kind != "checkable",
        )
        for name, action in definition.actions.items()
    }
    flow = {status: [sorted(may), sorted(to)] for status, (may, to) in definition.flow.items()}
    components["flow"] = canonical.digest(
        [
            definition.initial,
            flow,
            {name: _plain(action) for name, action in actions.items()},
            sorted(_opening(definition)),
        ]
    )
    components["policy"] = loaded.policy.hash
    components["schema"] = canonical.digest(loaded.schema.to_data())
    for path, text in loaded.prompts.items():
        components[f"prompt:{path}"] = canonical.digest(text)

    advisors: dict[str, str] = {}
    for name, advisor in spec.advisors.items():
        advisors[name] = components[f"advisor:{name}"] = _advisor(loaded, effects, advisor, closures)
    questions: dict[str, QuestionSpec] = {}
    for name, question in spec.questions.items():
        involved = (*question.chain, *question.also, *spec.answering(name), *spec.verifying(name))
        asked = {one: [advisors[one], _prompt(loaded, one)] for one in involved}
        components[f"question:{name}"] = canonical.digest(_plain(question))
        # A recorded answer is given again only while its type is the same, that of actions it consists of included.
        typed = [f"types:{name}", f"types:{name}.answer"]
        typed += [f"types:{one.__name__}" for one in definition.questions[name].actions.values()]
        shapes = [components.get(one, "") for one in typed]
        component = canonical.short([question.chain, question.also, asked, shapes])
        questions[name] = msgspec.structs.replace(question, component=component)

    components["autonomy"] = canonical.digest(
        [
            {name: [cell.error_max, cell.risk, cell.audit, cell.owner] for name, cell in spec.cells.items()},
            {name: [_plain(one) for one in several] for name, several in spec.certificates.items()},
            sorted(spec.autonomy_off),
        ]
    )
    for budget in spec.budgets:
        components[f"budget:{budget.name}"] = canonical.digest(_plain(budget))
    components["reviews"] = canonical.digest({name: _plain(review) for name, review in spec.reviews.items()})
    if spec.mcp:
        components["mcp"] = canonical.digest(spec.mcp)
    components["dependencies"] = canonical.digest(
        [dict(spec.breakers), {name: one.dependency for name, one in spec.effects.items()}, spec.orphan_after]
    )
    for name in actions:
        components[f"effect:{name}"] = _effect(effects, name, closures)
    components["kernel"] = str(SEMANTICS)
    components["environment"] = canonical.digest(closures.environment())
    closures.close()

    body: dict[str, Any] = {
        "semantics": SEMANTICS,
        "policy": {"source": loaded.policy.source, "hash": loaded.policy.hash},
        "schema": loaded.schema.to_data(),
        "initial": definition.initial,
        "flow": flow,
        "opening": sorted(_opening(definition)),
        "events": sorted(definition.events),
        "actions": {name: _plain(action) for name, action in actions.items()},
        "questions": {name: _plain(question) for name, question in questions.items()},
        "certificates": {name: [_plain(one) for one in several] for name, several in spec.certificates.items()},
        "cells": sorted(spec.cells),
        "autonomy_off": sorted(spec.autonomy_off),
        "budgets": [_plain(budget) for budget in spec.budgets],
        "reviews": {name: _plain(review) for name, review in spec.reviews.items()},
        "fallbacks": sorted(definition.fallbacks),
        "breakers": dict(spec.breakers),
        "dependencies": {name: one.dependency for name, one in spec.effects.items()},
        "orphan_after": spec.orphan_after,
        "schemas": dict(definition.schemas),
        "state": types[definition.case.__name__],
        "types": types,
        "sensitive": {name: list(paths) for name, paths in definition.sensitive.items()},
        "environment": closures.environment(),
        "functions": closures.functions(),
        "reaches": closures.reaches(),
    }
    return Manifest(definition.name, dict(sorted(components.items())), body)


def _reducer_name(kind: str, name: str, definition: Definition) -> str:
    if kind in ("event", "timer"):
        return f"reducer:{name}"
    cls = definition.actions[name].type.__name__ if kind in ("called", "done", "failed") else name
    return f"reducer:{kind.capitalize()}[{cls}]"


def _shapes(definition: Definition) -> dict[str, Any]:
    shapes = {definition.case.__name__: shape_of(definition.case_codec.schema)}
    for table in (definition.events, definition.timers, definition.questions, definition.actions):
        for one in table.values():
            shapes[one.type.__name__] = shape_of(one.codec.schema)
    for question in definition.questions.values():
        if question.answer is not None:
            shapes[f"{question.name}.answer"] = shape_of(question.answer.schema)
        else:
            shapes[f"{question.name}.answer"] = {"actions": sorted(question.actions)}
    for action in definition.actions.values():
        shapes[f"{action.type.__name__}.result"] = shape_of(action.result.schema)
    return shapes


def _type_named(definition: Definition, name: str) -> type[Any] | None:
    if name == definition.case.__name__:
        return definition.case
    for table in (definition.events, definition.timers, definition.questions, definition.actions):
        for one in table.values():
            if one.type.__name__ == name:
                return one.type
    return None


def _types(definition: Definition) -> list[type[Any]]:
    """The types that are components of their own."""
    types: list[type[Any]] = [definition.case]
    for table in (definition.events, definition.timers, definition.questions, definition.actions):
        types += [one.type for one in table.values()]
    return types


def _opening(definition: Definition) -> list[str]:
    return [event.name for event in definition.events.values() if event.opens]


def _advisor(loaded: Loaded, effects: Effects, advisor: AdvisorSpec, closures: Closures) -> str:
    """Code closure or model and parameters, and artefacts; never where it is reached or with which key."""
    options = {key: value for key, value in advisor.options.items() if key not in NOT_BEHAVIOUR}
    artefacts = {name: loaded.artefacts[name] for name in advisor.artefacts}
    code = {
        question: closures.effectful(one.run)
        for (question, name), one in sorted(effects.advisors.items())
        if name == advisor.name
    }
    return canonical.digest([advisor.kind, options, advisor.prompt or "", artefacts, code])


def _prompt(loaded: Loaded, advisor: str) -> str:
    prompt = loaded.spec.advisors[advisor].prompt
    return canonical.digest(loaded.prompts[prompt]) if prompt else ""


def _effect(effects: Effects, name: str, closures: Closures) -> str:
    parts = {
        role: closures.effectful(table[name].run)
        for role, table in (("performer", effects.performers), ("checker", effects.checkers), ("fence", effects.fences))
        if name in table
    }
    return canonical.digest(parts)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
