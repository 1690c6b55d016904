"""Run a user's pure functions on plain data: the state becomes a draft, the message a frozen value, the result plain
data again.

A reducer gets its own draft and may change it freely; the draft is validated as a whole when it returns. What it
raises passes through to
the caller, who keeps nothing of the turn.

INVARIANT: the same plain state and message give the same reduction. What is remembered of a turn is the validated form
of its state, under the identity of the plain state it was made into; a draft is a copy of it, so no turn meets what
another one changed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from operator import is_
from typing import Any, cast

from msgspec import structs
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from interlock.automation.codec import explain
from interlock.automation.definition import Definition, MessageKind, Upcast, snake
from interlock.automation.messages import Answered, Called, Done, Failed, Unanswered
from interlock.automation.models import Action, Timer, told
from interlock.automation.policyschema import visible_fields, visible_part
from interlock.automation.requests import AskRequest, CancelRequest, FlagRequest, ProposeRequest, Request, TimerRequest
from interlock.automation.sealing import nobodys, opened_text, sealed_if_personal, sealed_text
from interlock.automation.shape import digest_of, holds_records, is_flat, shape_of
from interlock.automation.values import Meta
from interlock.automation.wire import Wire
from interlock.kernel import program as kernel
from interlock.kernel.poison import said
from interlock.kernel.program import Data, MessageView, Reduction, Rejected
from interlock.policy.schema import Schema
from interlock.vocabulary import canonical
from interlock.vocabulary.advice import SCORE_ONE
from interlock.vocabulary.errors import Erased, InterlockBug
from interlock.vocabulary.limits import FLAG_CHARS_MAX, REQUESTS_PER_TURN_MAX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Build = Callable[[MessageView], Any]


class UserReducers:
    """`kernel.program.Reducers` over a definition.

    components   per question, the digest of everything that influences its answers under this release
                 (`QuestionSpec.component`)
    schema       the policy schema, which says what policies may see
    """

    def __init__(self, definition: Definition, wire: Wire, schema: Schema, components: Mapping[str, str]) -> None:
        self._definition = definition
        self._wire = wire
        self._visible = visible_fields(schema.case)
        self._components = components
        self._case = definition.case_codec
        self._nested = _holds_mutable_models(definition.case)
        # A state whose values cannot change and whose validation is pydantic's own alone may be copied.
        private = bool(definition.case.__private_attributes__)
        self._flat = is_flat(shape_of(self._case.schema)) and not (private or self._case.runs_code())
        self._states: dict[int, tuple[Data, Any]] = {}
        self._schema_id = definition.schemas[definition.case.__name__]
        self._seals = definition.seals
        with nobodys():
            typed = self._case.load({})
            self._initial: Data = self._case.dump(typed)
        self._first = typed
        self._table: dict[tuple[str, str], tuple[Callable[[Any, Any], Any] | None, Build]] = {
            key: (reducer.function, self._builder(*key)) for key, reducer in definition.reducers.items()
        }
        for question in definition.questions.values():
            if question.actions and ("answered", question.name) not in self._table:
                self._table["answered", question.name] = (None, self._builder("answered", question.name))
        self._upcasts = {digest_of(upcast.schema): upcast for upcast in definition.upcasts}

    # --- what the kernel calls ----------------------------------------------------------------------------------------

    def initial(self) -> tuple[Data, str, str]:
        """State, status and schema id of a case nobody has heard of."""
        return self._initial, self._definition.initial, self._schema_id

    def current(self, state: Data, schema: str) -> tuple[Data, str]:
        """State under this release's schema, through upcasters. A type that only gained defaults needs none."""
        if digest_of(schema) == digest_of(self._schema_id):
            return state, self._schema_id
        upcast = self._upcasts.get(digest_of(schema))
        if upcast is not None:
            return self._upcast(upcast, state), self._schema_id
        if schema.partition(":")[0] == self._definition.case.__name__:
            try:
                return self._case.dump(self._case.accept(state)), self._schema_id
            except ValidationError as error:
                raise ValueError(
                    f"the state was stored as {schema}, does not fit {self._schema_id} "
                    f"and no @app.upcast takes it: {explain(error)}"
                ) from None
        raise ValueError(f"the state was stored as {schema} and no @app.upcast takes it")

    def has(self, kind: str, type: str) -> bool:
        """Whether a reducer takes this message, or the rule that an answer which is an action is proposed."""
        return (kind, type) in self._table

    def reduce(self, state: Data, status: str, message: MessageView) -> Reduction:
        """Run the reducer of this message.

        Raises what the user's code raises, TypeError for what no reducer may return.
        """
        found = self._table.get((message.kind, message.type))
        if found is None:
            raise InterlockBug(f"no reducer takes {message.kind} {message.type}")
        if not self._seals:
            return self._reduced(*found, state, status, message)
        with _discreet():
            return self._reduced(*found, state, status, message)

    def _reduced(
        self,
        function: Callable[[Any, Any], Any] | None,
        build: Build,
        state: Data,
        status: str,
        message: MessageView,
    ) -> Reduction:
        if state.get("status") != status:
            state = {**state, "status": status}
        value = build(message)
        if function is None:
            return Reduction(state, status, (self._propose(value.value, ""),))
        if not self._flat:
            draft = self._case.load(state)
            wanted = function(draft, value)
            after = self._settled(draft, function)
        else:
            known = self._states.get(id(state))
            if known is not None and known[0] is state:
                typed = known[1]
            else:
                typed = self._first if state is self._initial else self._case.load(state)
            draft = copied(typed)
            wanted = function(draft, value)
            after = state if unchanged(typed, draft) else self._settled(draft, function)
        return Reduction(after, after["status"], self._requests(wanted, value, function))

    def action_args(self, action: str, args: Data) -> Data:
        """Arguments as the action's type dumps them. Raises Rejected."""
        return self._wire.stored_args(action, args)

    def fallback(self, name: str, state: Data, status: str, action: str, args: Data) -> kernel.Propose:
        """What the named fallback gives instead of the refused action."""
        found = self._definition.fallbacks.get(name)
        if found is None:
            raise Rejected(f"there is no fallback {name!r}.")
        if action not in found.refused:
            raise Rejected(f"fallback {name} takes {', '.join(sorted(found.refused))}, not {action}.")
        with _discreet() if self._seals else nullcontext():
            draft = self._case.load({**state, "status": status})
            instead = found.function(draft, self._wire.action(action, args))
        if not isinstance(instead, Action):
            raise TypeError(f"fallback {name} returned {type(instead).__name__}; it returns an action")
        return self._propose(cast("Action[Any]", instead), "")

    def facts(self, state: Data) -> Data:
        """The part of the state that policies may see."""
        return visible_part(self._visible, state)

    # --- messages -----------------------------------------------------------------------------------------------------

    def _builder(self, kind: MessageKind, name: str) -> Build:
        """How the message of this kind and type is made from its plain view."""
        definition, stored = self._definition, self._wire.stored
        match kind:
            case "event":
                return partial(_told, stored(definition.events[name].type))
            case "timer":
                return partial(_told, stored(definition.timers[name].type))
            case "answered":
                asked = stored(definition.questions[name].type)
                build = _answered_in_person if definition.seals else _answered
                return partial(build, asked, partial(self._wire.answer_model, name))
            case "unanswered":
                return partial(_unanswered, stored(definition.questions[name].type))
            case "called":
                return partial(_called, stored(definition.actions[name].type))
            case "done":
                known = definition.actions[name]
                return partial(_done, stored(known.type), known.result.load)
            case "failed":
                return partial(_failed, stored(definition.actions[name].type))

    # --- results ------------------------------------------------------------------------------------------------------

    def _settled(self, draft: Any, function: Callable[..., Any]) -> Data:
        """The draft as plain data, validated as a whole."""
        try:
            typed = self._case.accept(draft.__dict__)
            plain = self._case.dump(typed)
            if self._nested:
                plain = self._case.dump(self._case.accept(plain))
        except ValidationError as error:
            raise ValueError(f"reducer {function.__name__} left the case invalid: {explain(error)}") from None
        except PydanticSerializationError as error:
            raise ValueError(f"reducer {function.__name__} left the case invalid: {error}") from None
        if self._flat:
            if len(self._states) >= STATES_MAX:
                self._states.clear()
            self._states[id(plain)] = (plain, typed)
        return plain

    def _requests(self, wanted: Any, message: Any, function: Callable[..., Any]) -> tuple[kernel.Request, ...]:
        if wanted is None:
            return ()
        if isinstance(wanted, Request):
            return (self._request(wanted, message, function),)
        if not isinstance(wanted, tuple):
            raise TypeError(f"reducer {function.__name__} returned {type(wanted).__name__}; {_WANTED}")
        several = cast("tuple[Any, ...]", wanted)
        if len(several) > REQUESTS_PER_TURN_MAX:
            raise TypeError(
                f"reducer {function.__name__} returned {len(several)} requests; at most {REQUESTS_PER_TURN_MAX} at once"
            )
        return tuple(self._request(one, message, function) for one in several)

    def _request(self, request: Any, message: Any, function: Callable[..., Any]) -> kernel.Request:
        match request:
            case ProposeRequest(action=action, because=because, compensates=compensates):
                good = "" if compensates is None else self._compensated(compensates, function)
                if because is message:
                    return self._propose(action, "", good)
                if isinstance(because, str) and because:
                    return self._propose(action, self._said("because", because), good)
                raise TypeError(
                    f"reducer {function.__name__}: because= is the message this reducer was given, or a text; "
                    f"not {type(because).__name__}"
                )
            case AskRequest(question=question, fresh=fresh):
                name = type(question).__name__
                known = self._definition.questions.get(name)
                if known is None or known.type is not type(question):
                    raise TypeError(f"reducer {function.__name__} asks {name}, which is no question of this automation")
                fields: Data = known.codec.dump(question)
                return kernel.Ask(name, fields, canonical.short([name, fields, self._components.get(name, "")]), fresh)
            case TimerRequest(timer=timer, delay=delay, due=due):
                return self._timer(timer, delay, due, function)
            case CancelRequest(what=what):
                if issubclass(what, Timer):
                    return kernel.CancelTimer(what.__name__)
                return kernel.CancelAction(snake(what.__name__))
            case FlagRequest(text=text):
                if not isinstance(cast("object", text), str) or not text or len(text) > FLAG_CHARS_MAX:
                    raise TypeError(
                        f"reducer {function.__name__}: flag(...) takes a text of 1 to {FLAG_CHARS_MAX} characters"
                    )
                return kernel.Flag(self._said("flag", text))
            case _:
                raise TypeError(f"reducer {function.__name__} returned {type(request).__name__}; {_WANTED}")

    def _compensated(self, action: type[Action[Any]], function: Callable[..., Any]) -> str:
        known = self._definition.actions.get(snake(getattr(action, "__name__", "")))
        if known is None or known.type is not action:
            raise TypeError(
                f"reducer {function.__name__}: compensates= is an action class of this automation; "
                f"not {getattr(action, '__name__', type(action).__name__)}"
            )
        return known.name

    def _said(self, what: str, text: str) -> str:
        """A text of the user's own rule, as it is recorded: sealed where it repeats personal data."""
        return sealed_if_personal(what, text) if self._seals else text

    def _propose(self, action: Action[Any], text: str, compensates: str = "") -> kernel.Propose:
        known = self._wire.action_type(type(action).__name__)
        if known.type is not type(action):
            raise TypeError(f"{type(action).__name__} is no action of this automation")
        args: Data = known.codec.dump(action)
        try:
            known.codec.accept(args)
        except ValidationError as error:
            return kernel.Propose(known.name, args, text, explain(error), compensates=compensates)
        return kernel.Propose(known.name, args, text, fits=True, compensates=compensates)

    def _timer(
        self, timer: Timer, delay: timedelta | None, due: datetime | None, function: Callable[..., Any]
    ) -> kernel.SetTimer:
        name = type(timer).__name__
        known = self._definition.timers.get(name)
        if known is None or known.type is not type(timer):
            raise TypeError(f"reducer {function.__name__} sets {name}, which is no timer that a reducer takes")
        data: Data = known.codec.dump(timer)
        if due is not None:
            if due.tzinfo is None:
                raise TypeError(f"reducer {function.__name__}: at(...) needs a moment with its time zone")
            return kernel.SetTimer(name, due=(due - _EPOCH) // _MICROSECOND, data=data)
        if delay is None:
            raise InterlockBug("a timer request with neither moment nor delay")
        if abs(delay) > TIMER_DELAY_MAX:
            raise TypeError(f"reducer {function.__name__}: after(...) takes at most {TIMER_DELAY_MAX.days} days")
        return kernel.SetTimer(name, delay=delay // _MICROSECOND, data=data)

    def _upcast(self, upcast: Upcast, state: Data) -> Data:
        """Follow the chain of upcasters to the present type."""
        value: Any = upcast.codec.load(state)
        for _ in range(len(self._upcasts) + 1):
            value = upcast.function(value)
            if type(value) is self._definition.case:
                return self._case.dump(self._case.accept(value.__dict__))
            following = next((one for one in self._definition.upcasts if one.old is type(value)), None)
            if following is None:
                raise TypeError(
                    f"upcaster {upcast.function.__name__} returned {type(value).__name__}, which nothing takes further"
                )
            upcast = following
        raise TypeError("upcasters lead in a circle")


class ReducerFailed(Exception):
    """What a reducer over personal data raised. Its text may repeat that data, so it is sealed."""


SAID_BYTES_MAX = 240
"""Of an exception's text, so that it fits into a record sealed as well as bare."""


@contextmanager
def _discreet() -> Generator[None]:
    """Whatever a user's rule raises within is told by its class, with its text sealed."""
    try:
        yield
    except (Erased, InterlockBug):
        raise
    except Exception as error:  # noqa: BLE001 - passed on, without the text that may be personal
        text = said(error).encode()[:SAID_BYTES_MAX].decode("utf-8", "ignore")
        raise ReducerFailed(f"{type(error).__name__}: {sealed_text('exception', text)}") from None


STATES_MAX = 512
"""Validated states remembered, for cases that come back in a moment. Beyond, all are forgotten and validated again."""

TIMER_DELAY_MAX = timedelta(days=366 * 200)
"""Two centuries: beyond any business deadline, within what a datetime can name."""

_WANTED = (
    "a reducer returns ask(...), propose(...), after(...), at(...), cancel(...), flag(...), a tuple of these, or None"
)


def _meta(view: MessageView) -> Meta:
    return Meta(
        view.id,
        view.source,
        _EPOCH + timedelta(microseconds=view.occurred_at),
        _EPOCH + timedelta(microseconds=view.now),
        view.principal,
    )


def copied(model: BaseModel) -> Any:
    """A draft equal to a validated model whose field values are all immutable."""
    cls = type(model)
    draft = cls.__new__(cls)
    set_ = object.__setattr__
    set_(draft, "__dict__", model.__dict__.copy())
    set_(draft, "__pydantic_fields_set__", model.__pydantic_fields_set__.copy())
    set_(draft, "__pydantic_extra__", None)
    set_(draft, "__pydantic_private__", None)
    return draft


def unchanged(before: BaseModel, draft: BaseModel) -> bool:
    """Whether every field still is the very value it was. An equal one is not enough: 1 == True."""
    was, now = before.__dict__, draft.__dict__
    return len(was) == len(now) and all(map(is_, was.values(), now.values()))


def _told(load: Callable[[Any], Any], view: MessageView) -> Any:
    message = load(view.data)
    told(message, _meta(view))
    return message


def _answered(load: Callable[[Any], Any], typed: Callable[[Any], Any], view: MessageView) -> Any:
    answer = view.answer
    if answer is None:
        raise InterlockBug(f"an answered {view.type} without its answer")
    score = None if answer.score is None else Decimal(answer.score) / SCORE_ONE
    return Answered(
        question=load(view.question),
        raw_value=typed(answer.value),
        score=score,
        advisor=view.advisor,
        rank=view.rank,
        rationale=answer.rationale,
        evidence=answer.evidence,
        meta=_meta(view),
    )


def _answered_in_person(load: Callable[[Any], Any], typed: Callable[[Any], Any], view: MessageView) -> Any:
    """An answer to a question about personal data: what was said beside it is sealed as well."""
    answer = view.answer
    if answer is None:
        raise InterlockBug(f"an answered {view.type} without its answer")
    evidence = tuple(opened_text(one) for one in answer.evidence)
    answer = structs.replace(answer, rationale=opened_text(answer.rationale), evidence=evidence)
    return _answered(load, typed, structs.replace(view, answer=answer))


def _unanswered(load: Callable[[Any], Any], view: MessageView) -> Any:
    return Unanswered(load(view.question), opened_text(view.reason), _meta(view))


def _called(load: Callable[[Any], Any], view: MessageView) -> Any:
    return Called(load(view.data), _meta(view))


def _done(load: Callable[[Any], Any], result: Callable[[Any], Any], view: MessageView) -> Any:
    return Done(load(view.data), result(view.result), _meta(view))


def _failed(load: Callable[[Any], Any], view: MessageView) -> Any:
    return Failed(load(view.data), opened_text(view.reason), _meta(view))


def _holds_mutable_models(cls: type[BaseModel]) -> bool:
    """Whether a reducer could change a nested model in place, past pydantic's validation of the draft."""
    return holds_records(shape_of(cast("Any", cls.__pydantic_core_schema__)))
