"""The advisors of a release that are configuration: models behind an API, services, stubs.

What an advisor must not know (the user's types, stores, threads) reaches it here as plain functions. Code that speaks
HTTP is imported when a release has an advisor that needs it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from interlock.advisors.functions import AbsentAdvisor, Advisor, StubAdvisor
from interlock.automation.payloads import Reader
from interlock.automation.sealing import opened_data
from interlock.automation.wire import ACTION_TAG
from interlock.kernel.program import Rejected
from interlock.releases import Release
from interlock.releases.spec import AdvisorSpec
from interlock.runtime import json_input
from interlock.vocabulary.advice import Answer, score_micro
from interlock.vocabulary.errors import DefinitionErrors, NotInstalled, Problem, Refused
from interlock.vocabulary.limits import MODEL_BYTES_MAX

if TYPE_CHECKING:
    from interlock.advisors.asking import Asked, Scorer
    from interlock.advisors.models import File, Model, Price
    from interlock.advisors.service import ServiceScore

T = TypeVar("T")
MODELS = ("chat", "pydantic-ai")


class InThread(Protocol):
    """Runs blocking work beside the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True)
class Configured:
    """Makes the advisors that a release configures. `advisor_of` finds one that answers a question, for classifiers.

    read        digest to content of a payload, blocking; in_thread: per dependency, where blocking work runs
    """

    release: Release
    read: Reader
    in_thread: Callable[[str], InThread]
    advisor_of: Callable[[str, str], Advisor]

    def make(self, question: str, spec: AdvisorSpec) -> Advisor:
        """The advisor of this question under this name. Raises DefinitionErrors for one that cannot be made."""
        if spec.kind == "stub":
            return stub(self.release, question, spec)
        if spec.kind == "http":
            return self._service(spec)
        if spec.kind in MODELS:
            return self._model_advisor(question, spec)
        return AbsentAdvisor(f"{spec.name} is a code advisor; this program has no code for it")

    def _service(self, spec: AdvisorSpec) -> Advisor:
        from interlock.advisors.endpoint import Endpoint
        from interlock.advisors.service import ServiceAdvisor

        options = spec.options
        endpoint = Endpoint(str(options["url"]), parse, _key(options), _headers(options), spec.concurrency)
        wire = self.release.loaded.wire
        score = cast("ServiceScore", options.get("score", "none"))
        return ServiceAdvisor(endpoint, wire.answer_value, (Rejected,), score, spec.timeout)

    def _model_advisor(self, question: str, spec: AdvisorSpec) -> Advisor:
        from interlock.advisors.asking import ModelAdvisor, ScoreFrom
        from interlock.advisors.schemas import envelope

        wire = self.release.loaded.wire
        how, _, rest = str(spec.options.get("score", "none")).partition(":")
        asked = self._asked(spec, samples=int(rest) if how == "votes" else 1)
        schema, strict = envelope(wire.answer_schema(question), rationale=asked.rationale, stated=asked.stated)
        return ModelAdvisor(
            replace(asked, model=_strictly(asked.model, strict)),
            schema,
            wire.answer_value,
            (Rejected,),
            self._equal(spec),
            self._files(spec.name),
            score=cast("ScoreFrom", how),
            samples=int(rest) if how == "votes" else 1,
            scorer=self._scorer(question, spec),
            score_fields=tuple(spec.options.get("score_fields", ())),
            time=spec.timeout,
        )

    def _asked(self, spec: AdvisorSpec, *, samples: int) -> Asked:
        from interlock.advisors.asking import Asked

        options = spec.options
        return Asked(
            _model(spec, samples),
            self.release.loaded.prompts[spec.prompt or ""],
            parse,
            str(options.get("system", "")),
            int(options.get("tries", 2)),
            options.get("rationale", "after"),
            options.get("score") == "stated",
            _price(options),
        )

    def _scorer(self, question: str, spec: AdvisorSpec) -> Scorer | None:
        from interlock.advisors.asking import Classifier, Verifier

        if not spec.scorer:
            return None
        scorer = self.release.loaded.spec.advisors[spec.scorer]
        if not spec.verifier:
            return Classifier(self.advisor_of(question, scorer.name), self._equal(spec))
        how, _, rest = str(scorer.options.get("score", "none")).partition(":")
        samples = int(rest) if how == "votes" else 1
        return Verifier(self._asked(scorer, samples=samples), opened_data, how == "logprob", samples)

    def _equal(self, spec: AdvisorSpec) -> Callable[[str, Any], Any]:
        """What of an answer counts where two are compared: its typed value, or the fields that the release names."""
        fields = tuple(spec.options.get("score_fields", ()))
        model = self.release.loaded.wire.answer_model

        def counting(question: str, value: Any) -> Any:
            typed = model(question, value)
            if not fields:
                return typed
            return [type(typed) if name == ACTION_TAG else getattr(typed, name, None) for name in fields]

        return counting

    def _files(self, name: str) -> Callable[[str, Mapping[str, Any]], Awaitable[tuple[File, ...]]]:
        from interlock.advisors.prompts import files

        definition, paths = self.release.loaded.definition, self.release.loaded.wire.payload_fields

        async def read(question: str, fields: Mapping[str, Any]) -> tuple[File, ...]:
            where = paths.get(definition.questions[question].type.__name__, ())
            if not where:
                return ()
            return await self.in_thread(f"advisor:{name}")(lambda: files(fields, where, self.read))

        return read


def parse(data: bytes) -> Any:
    """Strict JSON for advisors: what the door takes of events, with room for log-probabilities."""
    from interlock.advisors.json_text import NotJson

    try:
        return json_input.parse(data, bytes_max=MODEL_BYTES_MAX)
    except Refused as error:
        raise NotJson(error.message) from None


def stub(release: Release, question: str, spec: AdvisorSpec) -> StubAdvisor:
    """A stub's fixed answer, from its table in release.toml: `value`, and perhaps `score` and `rationale`."""
    try:
        value = release.loaded.wire.answer_value(question, spec.options.get("value"))
        score = score_micro(None if (told := spec.options.get("score")) is None else Decimal(told))
        answer = Answer(value, score, str(spec.options.get("rationale", "stub")))
        return StubAdvisor(answer, int(spec.options.get("delay", 0)))
    except Rejected as error:
        message = f"[advisors.{spec.name}] value is no answer to {question}: {error}"
        raise DefinitionErrors(
            [Problem("release.toml", 1, message, "Write value = ... as the question's answer.")]
        ) from None


def _model(spec: AdvisorSpec, samples: int) -> Model:
    options = spec.options
    parameters: dict[str, Any] = json.loads(str(options.get("params", "{}")))
    parameters |= {key: _number(options[key]) for key in ("temperature", "top_p") if key in options}
    parameters |= {key: options[key] for key in ("max_tokens", "seed") if key in options}
    if spec.kind == "pydantic-ai":
        return _provider(spec, parameters)
    from interlock.advisors.chat import ChatModel
    from interlock.advisors.endpoint import Endpoint

    url = f"{str(options['base_url']).rstrip('/')}/chat/completions"
    endpoint = Endpoint(url, parse, _key(options), _headers(options), spec.concurrency * samples)
    return ChatModel(endpoint, str(options["model"]), parameters, options.get("structured", "json_schema"))


def _provider(spec: AdvisorSpec, parameters: dict[str, Any]) -> Model:
    try:
        from interlock.advisors.provider import ProviderModel
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pydantic_ai":
            raise
        raise NotInstalled(
            f"[advisors.{spec.name}] is reached through pydantic-ai, which is not installed.",
            hint="Install it: pip install 'interlock[pydantic-ai]'.",
        ) from None
    return ProviderModel(str(spec.options["model"]), parameters, spec.options.get("structured", "tool"))


def _strictly(model: Model, strict: bool) -> Model:
    from interlock.advisors.chat import ChatModel

    return replace(model, strict=strict) if isinstance(model, ChatModel) else model


def _number(text: object) -> int | float:
    exact = Decimal(str(text))
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _key(options: Mapping[str, Any]) -> str:
    return str(options.get("key", "")) or (f"env:{options['key_env']}" if options.get("key_env") else "")


def _headers(options: Mapping[str, Any]) -> Mapping[str, str]:
    return cast("Mapping[str, str]", options.get("headers", {}))


def _price(options: Mapping[str, Any]) -> Price | None:
    from interlock.advisors.models import Price

    told = options.get("price")
    return None if told is None else Price(Decimal(told["input"]), Decimal(told["output"]), str(told["currency"]))
