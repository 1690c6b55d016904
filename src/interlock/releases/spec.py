"""What release.toml says, as frozen values: who is asked, what may run alone, what may not be exceeded, who reviews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from interlock.vocabulary.limits import ADVISOR_CONCURRENCY, EFFECT_CONCURRENCY, EFFECT_TIMEOUT_MS, ORPHAN_AFTER_MS
from interlock.vocabulary.release import BudgetSpec, Certificate, QuestionSpec, ReviewSpec

AdvisorKind = Literal["code", "chat", "pydantic-ai", "http", "stub"]
ADVISOR_KINDS: tuple[AdvisorKind, ...] = get_args(AdvisorKind)


@dataclass(frozen=True)
class AdvisorSpec:
    """An advisor by name. code: a function in advisors.py; chat: a model behind an OpenAI-compatible API; pydantic-ai:
    one that a package of theirs reaches; http: a service of one's own; stub: fixed answers.

    options    everything else that was said of it, as plain data (decimals as text); prompt: path of its prompt in the
               folder
    artefacts  files of the folder whose content influences its answers
    timeout    microseconds; None: the question's
    """

    name: str
    kind: AdvisorKind = "code"
    concurrency: int = ADVISOR_CONCURRENCY
    timeout: int | None = None
    prompt: str | None = None
    artefacts: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def scorer(self) -> str:
        """The advisor that this one's score comes from, "" if it has its own."""
        if self.kind not in ("chat", "pydantic-ai"):
            return ""
        how, _, name = str(self.options.get("score", "")).partition(":")
        return name if how in ("classifier", "verifier") else ""

    @property
    def verifier(self) -> str:
        """The scorer, if it is asked whether the answer is right and not the question itself."""
        return self.scorer if str(self.options.get("score", "")).startswith("verifier:") else ""


@dataclass(frozen=True)
class EffectSpec:
    """How an action's effects run. `timeout` in microseconds.

    dependency  the unit of concurrency and circuit breaking: `action:NAME`, or the outside system that release.toml
                names
    """

    action: str
    dependency: str
    concurrency: int = EFFECT_CONCURRENCY
    timeout: int = EFFECT_TIMEOUT_MS * 1000

    @property
    def label(self) -> str:
        """The name under which policies see its breaker."""
        return self.dependency.removeprefix("action:")


@dataclass(frozen=True)
class CellSpec:
    """How an action's autonomy is to be earned: largest error (alpha), risk of a wrong grant (delta), share of blind
    audits. Millionths.
    """

    action: str
    error_max: int | None = None
    risk: int | None = None
    audit: int | None = None
    owner: str = ""


@dataclass(frozen=True)
class ReleaseSpec:
    """A release.toml. Durations in microseconds, amounts in integer units of their argument's scale.

    questions     `component` is filled in when the manifest is made: it takes the advisors' code
    certificates  per action, strictest first
    cells         actions with an [autonomy.NAME] table
    breakers      names that policies read under `breaker`, with the dependency that each one means
    mcp           the [mcp] table as plain data; gateway_actions: actions that the gateway carries out
    """

    questions: Mapping[str, QuestionSpec] = field(default_factory=dict[str, QuestionSpec])
    advisors: Mapping[str, AdvisorSpec] = field(default_factory=dict[str, AdvisorSpec])
    effects: Mapping[str, EffectSpec] = field(default_factory=dict[str, EffectSpec])
    budgets: tuple[BudgetSpec, ...] = ()
    certificates: Mapping[str, tuple[Certificate, ...]] = field(default_factory=dict[str, tuple[Certificate, ...]])
    cells: Mapping[str, CellSpec] = field(default_factory=dict[str, CellSpec])
    autonomy_off: frozenset[str] = frozenset()
    reviews: Mapping[str, ReviewSpec] = field(default_factory=dict[str, ReviewSpec])
    breakers: Mapping[str, str] = field(default_factory=dict[str, str])
    mcp: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gateway_actions: frozenset[str] = frozenset()
    orphan_after: int = ORPHAN_AFTER_MS * 1_000

    def answering(self, question: str) -> tuple[str, ...]:
        """Advisors that are given this question: its chain, those beside it, and the classifiers of all these."""
        asked = self.asked(question)
        spec = [self.advisors[name] for name in asked if name in self.advisors]
        classifiers = [one.scorer for one in spec if one.scorer and not one.verifier]
        return tuple(dict.fromkeys((*asked, *classifiers)))

    def verifying(self, question: str) -> tuple[str, ...]:
        """Advisors that are shown this question with an answer to it."""
        spec = [self.advisors[name] for name in self.asked(question) if name in self.advisors]
        return tuple(dict.fromkeys(one.verifier for one in spec if one.verifier))

    def asked(self, question: str) -> tuple[str, ...]:
        """Advisors whose answers the question takes."""
        one = self.questions[question]
        return tuple(dict.fromkeys((*one.chain, *one.also)))
