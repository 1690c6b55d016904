"""The only place where raw data meets a user's types: events and calls at the door, answers and results coming back,
models going out.

Whatever comes in is validated and leaves as plain data; whatever goes out to a user's function is rebuilt from plain
data. A Rejected says
which path was wrong and why, never the value, which may be personal.

Where a type holds personal data, a vault must be open (`opened`); an event opens its case's own, since it alone says
which case that is.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from functools import cached_property
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from interlock.automation.codec import Codec, explain
from interlock.automation.definition import ActionType, Definition, EventType, QuestionType
from interlock.automation.markers import Advice
from interlock.automation.models import Action, Case, Event, Question
from interlock.automation.payloads import Document, Picture
from interlock.automation.sampling import sample
from interlock.automation.sealing import Keeper, NotSealed
from interlock.automation.shape import payload_paths, shape_of
from interlock.automation.upcasting import reading
from interlock.kernel.program import Data, Rejected
from interlock.vocabulary import canonical
from interlock.vocabulary.advice import COST, Answer, score_micro
from interlock.vocabulary.errors import Refused
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.limits import ADVICE_BYTES_MAX, RATIONALE_CHARS_MAX, TEXT_ID_CHARS_MAX
from interlock.vocabulary.sealed import PREFIX

CURRENCY_CHARS_MAX = 8

ACTION_TAG = "action"
"""In the plain form of an answer that is an action, the name stands under this key beside the arguments."""


class Wire:
    """Plain data to models and back, for one definition."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._keeper: Keeper | None = None
        self._seals = definition.seals
        self._by_type_name = {action.type.__name__: action for action in definition.actions.values()}
        tables = (definition.events, definition.timers, definition.questions, definition.actions)
        self._stored: dict[type[Any], Callable[[Any], Any]] = {
            one.type: reading(one.codec, one.type, definition.upcasts) for table in tables for one in table.values()
        }
        self._answers: dict[str, Callable[[Any], Any]] = {
            name: reading(one.answer, one.answer_type, definition.upcasts)
            for name, one in definition.questions.items()
            if one.answer is not None
        }

    def kept_by(self, keeper: Keeper) -> Wire:
        """The same, with the vaults of a store in reach."""
        kept = copy.copy(self)
        kept._keeper = keeper
        return kept

    def opened(self, key: str) -> AbstractContextManager[None]:
        """What goes through here within is of this case: its personal data is sealed and opened."""
        if self._keeper is None or not self._seals:
            return nullcontext()
        return self._keeper.open(CaseId(self.definition.name, key))

    def stored(self, type_: type[Any]) -> Callable[[Any], Any]:
        """The loader of stored values of an event, timer, question or action, older shapes included."""
        return self._stored[type_]

    # --- events and calls ---------------------------------------------------------------------------------------------

    def event_data(self, type: str, raw: object) -> tuple[Data, str]:
        """Plain data and case key of an incoming event.

        Raises Rejected: unknown type, unknown or missing field, wrong or unbounded value.
        """
        event = self.event_type(type)
        if not isinstance(raw, Mapping):
            raise Rejected(f"{type}: data must be an object with the event's fields.")
        return self._event(event, cast("object", raw))

    def event_plain(self, event: Event) -> tuple[str, Data, str]:
        """Type, plain data and case key of a user's event. A model can have been changed past its own validation
        (`model_copy`, `model_construct`), so what it holds is read like anything else from outside.
        """
        name = type(event).__name__
        known = self.event_type(name)
        if not isinstance(event, known.type):
            raise Rejected(f"{name} is an event of another automation, not of {self.definition.name}.")
        if self._keeper is None or not self._seals:
            data = known.codec.normalise(_dumped(known.codec, event, name))
            return name, data, self._key(data[self.definition.key])
        key = self._key(getattr(event, self.definition.key))
        with self._keeper.open(CaseId(self.definition.name, key), self._persons(known, event)):
            return name, known.codec.normalise(_dumped(known.codec, event, name)), key

    def event_type(self, name: str) -> EventType:
        """The event type of this name. Raises Rejected with near names."""
        return _known(self.definition.events, name, "event type")

    def _event(self, event: EventType, raw: object) -> tuple[Data, str]:
        if self._keeper is None or not self._seals:
            data = event.codec.normalise(raw)
            return data, self._key(data[self.definition.key])
        # Which vault is opened depends on the key, so the event is validated before it can be sealed.
        try:
            typed = event.codec.accept(raw)
        except ValidationError as error:
            raise Rejected(explain(error)) from None
        except NotSealed:
            raise Rejected(f"{event.name}: no value may begin with {PREFIX!r}: that marks sealed data.") from None
        key = self._key(getattr(typed, self.definition.key))
        with self._keeper.open(CaseId(self.definition.name, key), self._persons(event, typed)):
            return _dumped(event.codec, typed, event.name), key

    def _persons(self, event: EventType, typed: Event) -> list[str]:
        """Whom the event names as the subject of its case."""
        return [str(getattr(typed, name)) for name in self.definition.subjects.get(event.name, ())]

    def _key(self, key: object) -> str:
        if not isinstance(key, str) or not key or len(key) > TEXT_ID_CHARS_MAX:
            raise Rejected(f"{self.definition.key}: a case key is text of 1 to {TEXT_ID_CHARS_MAX} characters.")
        return key

    def action_type(self, name: str) -> ActionType:
        """The action called `return_unpaid` or `ReturnUnpaid`. Raises Rejected with near names."""
        found = self._by_type_name.get(name)
        return found if found is not None else _known(self.definition.actions, name, "action")

    def action_name(self, name: str) -> str:
        return self.action_type(name).name

    def call_args(self, action: str, raw: object) -> Data:
        """Plain arguments of a call from outside."""
        known = self.action_type(action)
        if not isinstance(raw, Mapping):
            raise Rejected(f"{known.name}: arguments must be an object.")
        return known.codec.normalise(raw)

    def action_plain(self, action: Action[Any]) -> tuple[str, Data]:
        """Name and plain arguments of a user's action."""
        known = self.action_type(type(action).__name__)
        if not isinstance(action, known.type):
            raise Rejected(
                f"{type(action).__name__} is an action of another automation, not of {self.definition.name}."
            )
        data = _dumped(known.codec, action, known.name)
        return known.name, known.codec.normalise(data)

    def action(self, name: str, args: Data) -> Action[Any]:
        """The model that a performer, checker or fence is given."""
        return cast("Action[Any]", _loaded(self._stored[self.action_type(name).type], args, name))

    def stored_args(self, action: str, args: Data) -> Data:
        """Arguments that were recorded, in the present form of their action: through upcasters where it has changed.

        Raises Rejected.
        """
        known = self.action_type(action)
        try:
            return self.call_args(action, args)
        except Rejected:
            load = self._stored[known.type]
            if load is known.codec.load:
                raise
        return _dumped(known.codec, _loaded(load, args, known.name), known.name)

    # --- questions and answers ----------------------------------------------------------------------------------------

    def question_type(self, name: str) -> QuestionType:
        return _known(self.definition.questions, name, "question")

    def question(self, name: str, fields: Data) -> Question[Any]:
        """The model that an advisor is given."""
        return cast("Question[Any]", _loaded(self._stored[self.question_type(name).type], fields, name))

    def answer_value(self, question: str, raw: object) -> Any:
        """Plain value of an answer, from a model or from raw data (`{"action": name, ...}` where the answer is an
        action).
        """
        known = self.question_type(question)
        if known.answer is not None:
            value = _dumped(known.answer, raw, "answer") if _is_model(raw) else raw
            return known.answer.normalise(value)
        if isinstance(raw, Action):
            name, args = self.action_plain(cast("Action[Any]", raw))
        elif isinstance(raw, Mapping):
            fields = dict(cast("Mapping[str, Any]", raw))
            name = fields.pop(ACTION_TAG, None)
            if not isinstance(name, str):
                raise Rejected(f"{ACTION_TAG}: the answer names one of {', '.join(known.actions)}.")
            action = self.action_type(name)
            name, args = action.name, action.codec.normalise(fields)
        else:
            raise Rejected(f"the answer is one of the actions {', '.join(known.actions)}.")
        if name not in known.actions:
            raise Rejected(f"{name} is no answer to {question}: {', '.join(known.actions)} are.")
        return {ACTION_TAG: name, **args}

    def answer_model(self, question: str, value: Any) -> Any:
        """The typed value of a plain answer."""
        known = self.question_type(question)
        if known.answer is not None:
            return _loaded(self._answers[question], value, question)
        fields = dict(value)
        return self.action(fields.pop(ACTION_TAG), fields)

    def advice_answer(self, question: str, advice: object) -> Answer:
        """What an advisor returned, as the value that enters the case.

        Raises Rejected for anything that is no answer to this question.
        """
        if not isinstance(advice, Advice):
            raise Rejected(f"an advisor returns Advice, not {type(advice).__name__}.")
        given = cast("Advice[Any]", advice)
        value = self.answer_value(question, given.value)
        claimed = cast("object", given.score)
        try:
            if isinstance(claimed, bool | str):
                raise Rejected("score: it is a number from 0 to 1, or None.")
            score = score_micro(given.score)
        except (Refused, ArithmeticError, ValueError, TypeError):
            raise Rejected("score: it is a number from 0 to 1, or None.") from None
        if not isinstance(cast("object", given.rationale), str) or len(given.rationale) > RATIONALE_CHARS_MAX:
            raise Rejected(
                f"rationale: text of at most {RATIONALE_CHARS_MAX} characters; longer text belongs into evidence."
            )
        try:
            evidence = tuple(_evidence(one) for one in given.evidence)
        except TypeError:
            raise Rejected("evidence: pictures, documents or short texts, in a tuple.") from None
        usage, currency = _usage(given.usage), cast("object", given.currency)
        if not isinstance(currency, str) or len(currency) > CURRENCY_CHARS_MAX or (COST in usage and not currency):
            raise Rejected("currency: the code of the currency that `usage` counts `cost` in, e.g. EUR.")
        answer = Answer(value, score, given.rationale, evidence, usage, currency)
        size = len(_bytes(answer))
        if size > ADVICE_BYTES_MAX:
            raise Rejected(f"an answer of {size} bytes is larger than {ADVICE_BYTES_MAX}.")
        return answer

    def answer_schema(self, question: str) -> dict[str, Any]:
        """JSON schema of an answer, for advisors that need one."""
        known = self.question_type(question)
        if known.answer is not None:
            return TypeAdapter[Any](known.answer_type).json_schema()
        options: list[dict[str, Any]] = []
        for name, cls in known.actions.items():
            schema = cls.model_json_schema()
            options.append(
                {
                    **schema,
                    "properties": {ACTION_TAG: {"const": name}, **schema.get("properties", {})},
                    "required": [ACTION_TAG, *schema.get("required", [])],
                }
            )
        return {"anyOf": options}

    # --- results and cases --------------------------------------------------------------------------------------------

    def result_plain(self, action: str, value: object) -> Any:
        """Plain form of what a performer returned. Raises Rejected if it is not the action's result."""
        known = self.action_type(action)
        return known.result.normalise(
            _dumped(known.result, value, f"result of {known.name}") if _is_model(value) else value
        )

    def result(self, action: str, plain: Any) -> Any:
        """The typed result."""
        return _loaded(self.action_type(action).result.load, plain, action)

    def check_outcome(self, action: str, value: object) -> tuple[bool, Any]:
        """(happened, plain result) of what a checker returned:

        None or False is "not found", True is "happened" for actions without result.
        """
        if value is None or value is False:
            return False, None
        if value is True and self.action_type(action).result_type is type(None):
            return True, None
        return True, self.result_plain(action, value)

    def case(self, state: Data, status: str) -> Case:
        """The typed state of a case."""
        return cast(
            "Case", _loaded(self.definition.case_codec.load, {**state, "status": status}, self.definition.case.__name__)
        )

    def sample(self, type_: Any) -> Any:
        """The simplest valid value of a type (a result type, an event), for stubs and generated tests."""
        return sample(type_)

    @cached_property
    def payload_fields(self) -> Mapping[str, tuple[str, ...]]:
        """Per type name, the dotted paths of pictures and documents in it."""
        typed: list[tuple[str, Codec]] = [(self.definition.case.__name__, self.definition.case_codec)]
        for table in (self.definition.events, self.definition.questions, self.definition.actions):
            typed += [(one.type.__name__, one.codec) for one in table.values()]
        return {name: paths for name, codec in typed if (paths := payload_paths(shape_of(codec.schema)))}


def _known(table: Mapping[str, Any], name: str, what: str) -> Any:
    found = table.get(name)
    if found is None:
        raise Rejected(f"unknown {what} {name!r}. {nearest(name, table)}".rstrip())
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """What a misspelt word may have meant."""
    choices = sorted(known)
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {lowered[close[0]]}?"
    return f"Known: {', '.join(choices[:12])}." if choices else ""


def _is_model(value: object) -> bool:
    return isinstance(value, BaseModel | Decimal | Picture | Document)


def _loaded(load: Callable[[Any], Any], plain: Any, what: str) -> Any:
    try:
        return load(plain)
    except ValidationError as error:
        raise Rejected(f"{what}: {explain(error)}") from None


def _dumped(codec: Codec, value: Any, what: str) -> Any:
    try:
        return codec.dump(value)
    except PydanticSerializationError as error:
        raise Rejected(f"{what}: {str(error).splitlines()[0]}") from None


def _bytes(answer: Answer) -> bytes:
    try:
        return canonical.encode(answer)
    except (TypeError, ValueError, OverflowError) as error:
        raise Rejected(f"the answer cannot be recorded: {error}") from None


def _usage(given: object) -> dict[str, int]:
    """What the answer cost, as the advisor counts it: whole numbers by name."""
    if not isinstance(given, dict):
        raise Rejected("usage: whole numbers by name, 0 or more, e.g. {'input_tokens': 120}.")
    for name, count in cast("dict[object, object]", given).items():
        if not isinstance(name, str) or isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**63:
            raise Rejected("usage: whole numbers by name, 0 or more, e.g. {'input_tokens': 120}.")
    return dict(cast("dict[str, int]", given))


def _evidence(one: object) -> str:
    match one:
        case Picture(digest=digest) | Document(digest=digest):
            return digest
        case str() if len(one) <= RATIONALE_CHARS_MAX:
            return one
        case _:
            raise Rejected("evidence: pictures, documents or short texts.")
