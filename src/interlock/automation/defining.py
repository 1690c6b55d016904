"""From modules to a definition: read the annotations, check everything, report every mistake at once.

`survey` finds what is declared and what is wrong with it; `define` raises the mistakes. Nothing here judges taste:
each problem is one
that would otherwise show at three in the morning, in a message that nobody was waiting for.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from types import ModuleType, UnionType
from typing import Any, TypeGuard, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from interlock.automation.app import Automation
from interlock.automation.codec import Codec
from interlock.automation.definition import (
    ActionType,
    Definition,
    EventType,
    Fallback,
    MessageKind,
    QuestionType,
    Reducer,
    TimerType,
    Upcast,
    snake,
)
from interlock.automation.flow import StatusRow
from interlock.automation.messages import Answered, Called, Done, Failed, Message, Unanswered
from interlock.automation.models import (
    Action,
    ActionOptions,
    Case,
    Event,
    Fact,
    InDoubt,
    Question,
    Timer,
    action_options,
)
from interlock.automation.personal import sensitive_fields, sensitive_paths, subject_fields, unsealable
from interlock.automation.shape import schema_id
from interlock.automation.sources import Sources
from interlock.automation.upcasting import indistinct
from interlock.vocabulary.action import ActionSpec
from interlock.vocabulary.errors import DefinitionErrors, Problem
from interlock.vocabulary.limits import PROBES_LIMIT

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

KERNEL_CASE_FACTS = ("in_doubt", "count", "first_event_at", "release")
PROPOSAL_FACTS = ("action", "source", "irreversible", "score")
_MESSAGES: dict[type[Any], MessageKind] = {
    Answered: "answered",
    Unanswered: "unanswered",
    Called: "called",
    Done: "done",
    Failed: "failed",
}
_MESSAGE_HELP = "It must be an Event, a Timer, Answered[Q], Unanswered[Q], Called[A], Done[A] or Failed[A]."


def define(modules: Sequence[ModuleType], *, app: Automation[Any, Any] | None = None) -> Definition:
    """The definition of the automation in these modules (automation.py first). Raises DefinitionErrors with every
    problem found.

    `app` names the automation when a module holds several or the caller already has it.
    """
    definition, problems = survey(modules, app=app)
    if problems or definition is None:
        raise DefinitionErrors(sorted_problems(problems))
    return definition


def survey(
    modules: Sequence[ModuleType], *, app: Automation[Any, Any] | None = None
) -> tuple[Definition | None, list[Problem]]:
    """What is declared, as far as it can be understood, and everything that is wrong with it."""
    sources = Sources(tuple(modules))
    apps = [app] if app is not None else _apps(modules)
    if len(apps) != 1:
        file, line = sources.named("app")
        wrong = (
            "declares no automation."
            if not apps
            else f"declares {len(apps)} automations: {', '.join(sorted(a.name for a in apps))}."
        )
        return None, [
            Problem(
                file,
                line,
                f"{file} {wrong}",
                'Write one: app = Automation("name", case=YourCase, key="field", flow=FLOW)',
            )
        ]
    return _Survey(apps[0], tuple(modules), sources).run()


def sorted_problems(problems: Iterable[Problem]) -> list[Problem]:
    """In file order, each once."""
    return sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.message))


def _apps(modules: Sequence[ModuleType]) -> list[Automation[Any, Any]]:
    found: dict[int, Automation[Any, Any]] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Automation):
                found[id(cast("object", value))] = cast("Automation[Any, Any]", value)
    return list(found.values())


class _Survey:
    """One reading of one automation: collects tables and problems side by side."""

    def __init__(self, app: Automation[Any, Any], modules: tuple[ModuleType, ...], sources: Sources) -> None:
        self.app = app
        self.modules = modules
        self.sources = sources
        self.problems: list[Problem] = []
        self.events: dict[str, EventType] = {}
        self.timers: dict[str, TimerType] = {}
        self.questions: dict[str, QuestionType] = {}
        self.actions: dict[str, ActionType] = {}
        self.reducers: dict[tuple[MessageKind, str], Reducer] = {}
        self.fallbacks: dict[str, Fallback] = {}
        self.upcasts: list[Upcast] = []
        self.sensitive: dict[str, tuple[str, ...]] = {}
        self._codecs: dict[type[Any], Codec | None] = {}

    # --- the whole ----------------------------------------------------------------------------------------------------

    def run(self) -> tuple[Definition | None, list[Problem]]:
        app = self.app
        if not NAME.fullmatch(app.name):
            self._at(
                self._app_place(),
                f"automation name {app.name!r} is not allowed.",
                "Use letters, digits, _ and -, at most 64.",
            )
        self._module_classes()
        for function in app.reducers:
            self._reducer(function)
        for function in app.fallbacks:
            self._fallback(function)
        flow = self._flow()
        for function in app.upcasts:
            self._upcast(function)
        self._upcasts_are_distinct()
        self._events_have_key()
        codec = self._case()
        if not any(event.opens for event in self.events.values()):
            self._at(
                self._app_place(),
                "no event opens a case, so none can ever exist.",
                "Mark one: class Presented(Event, opens=True)",
            )
        self._actions_in_flow(flow)
        if codec is None or self.problems:
            return None, self.problems
        initial = str(codec.load({}).__dict__["status"])
        definition = Definition(
            name=app.name,
            app=app,
            modules=self.modules,
            case=app.case,
            case_codec=codec,
            key=app.key,
            flow=flow,
            initial=initial,
            events=dict(sorted(self.events.items())),
            timers=dict(sorted(self.timers.items())),
            questions=dict(sorted(self.questions.items())),
            actions=dict(sorted(self.actions.items())),
            reducers=self.reducers,
            fallbacks=self.fallbacks,
            upcasts=tuple(self.upcasts),
            schemas=self._schemas(codec),
            sensitive={name: paths for name, paths in sorted(self.sensitive.items()) if paths},
            subjects={name: fields for name, one in self.events.items() if (fields := subject_fields(one.type))},
        )
        return definition, self.problems

    def _schemas(self, case: Codec) -> dict[str, str]:
        typed: list[tuple[str, Codec]] = [(self.app.case.__name__, case)]
        for table in (self.events, self.timers, self.questions, self.actions):
            typed += [(one.type.__name__, one.codec) for one in table.values()]
        return {name: schema_id(name, codec.schema) for name, codec in sorted(typed, key=lambda one: one[0])}

    # --- problems -----------------------------------------------------------------------------------------------------

    def _at(self, place: tuple[str, int], message: str, suggestion: str = "") -> None:
        self.problems.append(Problem(place[0], place[1], message, suggestion))

    def _app_place(self) -> tuple[str, int]:
        file, _ = self.sources.named("app")
        return file, self.app.line

    def _flow_place(self, status: str) -> tuple[str, int]:
        for name, value in vars(self.modules[0]).items():
            if value is self.app.flow:
                return self.sources.named(name, status)
        file, line = self.sources.named("flow", status)
        return (file, line) if line > 1 else self._app_place()

    # --- types --------------------------------------------------------------------------------------------------------

    def _module_classes(self) -> None:
        own = {module.__name__ for module in self.modules}
        past = _types_of_the_past(self.app)
        for module in self.modules:
            for value in list(vars(module).values()):
                if (
                    inspect.isclass(value)
                    and value.__module__ in own
                    and issubclass(value, Fact)
                    and not _is_generic_alias(value)
                    and value not in past
                ):
                    self._declare(value)

    def _declare(self, cls: type[Any]) -> None:
        """Put a class of event, timer, question or action into its table, once."""
        name: str = cls.__name__
        if issubclass(cls, Timer) or issubclass(cls, Event):
            self._event_like(cls, name)
        elif issubclass(cls, Question):
            self._question(cast("type[Question[Any]]", cls))
        elif issubclass(cls, Action):
            self._action(cast("type[Action[Any]]", cls))

    def _event_like(self, cls: type[Any], name: str) -> None:
        known = self.timers.get(name) if issubclass(cls, Timer) else self.events.get(name)
        if known is not None:
            if known.type is not cls:
                self._at(
                    self.sources.place(cls),
                    f"two types are called {name}.",
                    "Message types are known by name: rename one.",
                )
            return
        codec = self._codec(cls)
        if codec is None:
            return
        if issubclass(cls, Timer):
            self.timers[name] = TimerType(name, cls, codec)
        else:
            self.events[name] = EventType(name, cls, codec, cls.opens)

    def _question(self, cls: type[Question[Any]]) -> None:
        name = cls.__name__
        if name in self.questions:
            if self.questions[name].type is not cls:
                self._at(
                    self.sources.place(cls),
                    f"two questions are called {name}.",
                    "Questions are known by name: rename one.",
                )
            return
        place = self.sources.place(cls)
        answer = _parameter(cls, Question)
        if answer is None:
            self._at(
                place, f"question {name} does not say what its answer is.", f"Write class {name}(Question[YourAnswer])."
            )
            return
        codec = self._codec(cls)
        members = _union_members(answer)
        actions = [one for one in members if _is_action(one)]
        if actions and len(actions) != len(members):
            self._at(
                place,
                f"the answer of {name} mixes actions with other types.",
                "Answer with actions only, or with a model of your own.",
            )
            return
        named: dict[str, type[Action[Any]]] = {}
        for one in actions:
            self._declare(one)
            named[snake(one.__name__)] = one
        value = None if named else self._codec_of(answer, place, f"the answer of {name}")
        if codec is not None and (named or value is not None):
            self.questions[name] = QuestionType(name, cls, codec, answer, value, named)

    def _action(self, cls: type[Action[Any]]) -> None:
        name = snake(cls.__name__)
        if name in self.actions:
            if self.actions[name].type is not cls:
                self._at(
                    self.sources.place(cls), f"two actions are called {name}.", "Actions are known by name: rename one."
                )
            return
        place = self.sources.place(cls)
        options = action_options(cls)
        if options is None:
            self._at(
                place,
                f"action {cls.__name__} does not say what it is like.",
                '@action(reversible=..., kind="idempotent" | "checkable" | "once")',
            )
            return
        result = _parameter(cls, Action)
        if result is None:
            self._at(
                place,
                f"action {cls.__name__} does not say what it results in.",
                f"Write class {cls.__name__}(Action[None]) or Action[YourResult].",
            )
            return
        for field in PROPOSAL_FACTS:
            if field in cls.model_fields:
                self._at(
                    self.sources.place(cls, field),
                    f"argument `{field}` of {cls.__name__} has the name of a fact of every proposal.",
                    "Rename it.",
                )
        spec = self._action_spec(cls, name, options, place)
        codec = self._codec(cls)
        returned = self._codec_of(type(None) if result is None else result, place, f"the result of {cls.__name__}")
        if codec is None or returned is None:
            return
        self.actions[name] = ActionType(name, cls, codec, result, returned, spec)
        others = [*options.not_after, *([options.undo] if inspect.isclass(options.undo) else [])]
        for other in others:
            self._declare(other)

    def _action_spec(
        self, cls: type[Action[Any]], name: str, options: ActionOptions, place: tuple[str, int]
    ) -> ActionSpec:
        undo = options.undo
        if options.reversible and undo is None:
            self._at(
                place,
                f"{cls.__name__} is reversible but names no undo.",
                'Name the action that takes it back, or undo="nothing" if it leaves no lasting effect.',
            )
        if not options.reversible and undo is not None:
            self._at(
                place,
                f"{cls.__name__} is irreversible and names an undo.",
                "Leave out `undo`, or write reversible=True.",
            )
        if inspect.isclass(undo) and not _is_action(undo):
            self._at(place, f"undo of {cls.__name__} is no action.", "Name an Action class.")
            undo = None
        if options.kind not in ("idempotent", "checkable", "once"):
            self._at(
                place,
                f"{cls.__name__} has the unknown kind {options.kind!r}.",
                'Use "idempotent", "checkable" or "once".',
            )
        consequence = options.consequence or ("minor" if options.reversible else "money")
        if consequence not in ("minor", "money", "security", "final"):
            self._at(
                place,
                f"{cls.__name__} has the unknown consequence {consequence!r}.",
                "Use minor, money, security or final.",
            )
        if options.key_valid_for is not None and options.kind != "idempotent":
            self._at(
                place,
                f"key_valid_for of {cls.__name__} means nothing for kind {options.kind!r}.",
                "It belongs to idempotent actions.",
            )
        in_doubt = options.in_doubt or InDoubt()
        if not isinstance(in_doubt, InDoubt):  # pyright: ignore[reportUnnecessaryIsInstance] - users without a type checker
            self._at(place, f"in_doubt of {cls.__name__} is no InDoubt.", 'Write in_doubt=InDoubt(to="operations").')
            in_doubt = InDoubt()
        self._in_doubt(cls, in_doubt, place)
        for argument in ("key_valid_for", "settle_after", "start_before"):
            value: timedelta | None = getattr(options, argument)
            if value is not None and value <= timedelta(0):
                self._at(
                    place, f"{argument} of {cls.__name__} is not a time in the future.", "Give a positive timedelta."
                )
        plain = ActionSpec(name=name, reversible=options.reversible, kind=options.kind)
        return ActionSpec(
            name=name,
            reversible=options.reversible,
            kind=options.kind,
            consequence=consequence,
            undo=snake(undo.__name__) if inspect.isclass(undo) else None,
            once_per_case=options.once_per == "case",
            not_after=tuple(snake(other.__name__) for other in options.not_after),
            key_valid_for=_micros(options.key_valid_for, plain.key_valid_for),
            settle_after=_micros(options.settle_after, plain.settle_after),
            start_before=_micros(options.start_before, plain.start_before),
            probe_first=_micros(in_doubt.first, min(plain.probe_first, _micros(in_doubt.longest, plain.probe_first))),
            probe_longest=_micros(in_doubt.longest, max(plain.probe_longest, _micros(in_doubt.first, 0))),
            probes=plain.probes if in_doubt.probes is None else in_doubt.probes,
            doubt_group=in_doubt.to,
        )

    def _in_doubt(self, cls: type[Any], said: InDoubt, place: tuple[str, int]) -> None:
        """What is said of doubts must make sense by itself; whether there is a checker, effects.py tells."""
        for argument in ("first", "longest"):
            value: timedelta | None = getattr(said, argument)
            if value is not None and value <= timedelta(0):
                self._at(
                    place, f"in_doubt of {cls.__name__}: {argument} is no length of time.", "Give a positive timedelta."
                )
        if said.first is not None and said.longest is not None and said.longest < said.first:
            self._at(
                place,
                f"in_doubt of {cls.__name__}: the longest distance is shorter than the first.",
                "Distances only grow.",
            )
        if said.probes is not None and not 1 <= said.probes <= PROBES_LIMIT:
            self._at(
                place,
                f"in_doubt of {cls.__name__}: {said.probes} probes.",
                f"Give 1 to {PROBES_LIMIT}; an action that is not to be probed has no checker.",
            )

    def _codec(self, cls: type[Any]) -> Codec | None:
        """The codec of a class of the user's, once; None with problems if it cannot be stored."""
        if cls in self._codecs:
            return self._codecs[cls]
        codec = self._codec_of(cls, self.sources.place(cls), cls.__name__)
        if codec is not None:
            if "meta" in cls.model_fields:
                self._at(
                    self.sources.place(cls, "meta"),
                    f"field `meta` of {cls.__name__} has the name of what every message carries.",
                    "Rename it.",
                )
            self.sensitive[cls.__name__] = tuple(sensitive_paths(cls))
            for path, why in unsealable(cls):
                self._at(
                    self.sources.place(cls, path.split(".")[0]),
                    f"{cls.__name__}.{path} is marked as personal data: {why}.",
                    "Mark fields of models only, and keep personal files elsewhere, named by an id.",
                )
            if subject_fields(cls) and not issubclass(cls, Event):
                self._at(
                    self.sources.place(cls, subject_fields(cls)[0]),
                    f"{cls.__name__}.{subject_fields(cls)[0]} names a subject, and {cls.__name__} is no event.",
                    "Mark the field of the event that brings the person's name: Subject is known at the door.",
                )
            self._mutable_defaults(cls)
        self._codecs[cls] = codec
        return codec

    def _codec_of(self, type_: Any, place: tuple[str, int], what: str) -> Codec | None:
        try:
            codec = Codec(type_)
        except PydanticUserError as error:
            self._at(
                place,
                f"{what} cannot be described: {str(error).splitlines()[0]}",
                "Use the field types of the programming model.",
            )
            return None
        except NameError as error:
            self._at(place, f"{what} uses a name that is not defined: {error}.", "Import it at module level.")
            return None
        wrong = codec.storable()
        for path, why in wrong:
            at = self.sources.place(type_, path.split(".")[0]) if inspect.isclass(type_) and path else place
            self._at(
                at,
                f"{what}{'.' + path if path else ''}: {why}.",
                "Use bool, int, Decimal, str, Literal, aware datetime, timedelta, lists, models, Picture or Document.",
            )
        return None if wrong else codec

    def _mutable_defaults(self, cls: type[BaseModel]) -> None:
        for field, info in cls.model_fields.items():
            default = info.default
            if isinstance(default, BaseModel) and not default.model_config.get("frozen"):
                self._at(
                    self.sources.place(cls, field),
                    f"{cls.__name__}.{field} has a mutable default that every case would share.",
                    f"Use Field(default_factory={type(default).__name__}).",
                )

    # --- the case -----------------------------------------------------------------------------------------------------

    def _case(self) -> Codec | None:
        cls = self.app.case
        place = self.sources.place(cls)
        if not (inspect.isclass(cls) and issubclass(cls, Case)):
            self._at(self._app_place(), "case= is no Case class.", "Write class Ticket(Case): ...")
            return None
        codec = self._codec(cls)
        for field in KERNEL_CASE_FACTS:
            if field in cls.model_fields:
                self._at(
                    self.sources.place(cls, field),
                    f"field `{field}` of {cls.__name__} has the name of a fact that the kernel keeps.",
                    "Rename it.",
                )
        for field, info in cls.model_fields.items():
            if info.is_required():
                self._at(
                    self.sources.place(cls, field),
                    f"{cls.__name__}.{field} has no default, but a case begins with nothing known.",
                    "Give it one, e.g. `X | None = None`.",
                )
        info = cls.model_fields.get("status")
        if info is None:
            self._at(
                place,
                f"{cls.__name__} has no field `status`.",
                "Add status: Status = ..., with Status the Literal of the flow.",
            )
            return None
        values = _literal_values(info.annotation)
        if values is None:
            self._at(
                self.sources.place(cls, "status"),
                f"{cls.__name__}.status is not a Literal of text.",
                'Write Status = Literal["open", ...] and status: Status = "open".',
            )
            return None
        declared = {str(name) for name in self.app.flow}
        for value in values:
            if value not in declared:
                self._at(
                    self.sources.place(cls, "status"),
                    f"status {value!r} has no row in the flow.",
                    f'Add "{value}": status(...).',
                )
        for name in sorted(declared - set(values)):
            self._at(
                self._flow_place(name),
                f"the flow has a row for {name!r}, which is no status of {cls.__name__}.",
                f"Known: {', '.join(values)}.",
            )
        if info.is_required() or codec is None:
            return None
        if self.problems:
            return codec
        initial = str(codec.load({}).__dict__["status"])
        self._reachable(initial, declared)
        return codec

    def _reachable(self, initial: str, declared: set[str]) -> None:
        seen, todo = {initial}, [initial]
        while todo:
            row: StatusRow[str] | None = self.app.flow.get(todo.pop())
            for following in row.to if row else ():
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        for name in sorted(declared - seen):
            self._at(
                self._flow_place(name),
                f"status {name!r} cannot be reached from {initial!r}.",
                "Add it to the `to` of a status before it, or remove it.",
            )

    def _flow(self) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
        table: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        known = {str(name) for name in self.app.flow}
        for name, row in self.app.flow.items():
            place = self._flow_place(str(name))
            if not isinstance(row, StatusRow):  # pyright: ignore[reportUnnecessaryIsInstance] - users without a type checker
                self._at(
                    place,
                    f"the row of status {name!r} is not made with status(...).",
                    "Write status(Action, ..., to=(...,)).",
                )
                continue
            actions: set[str] = set()
            for one in row.may:
                if not _is_action(one):
                    self._at(
                        place,
                        f"{getattr(one, '__name__', one)!r} in status {name!r} is no action.",
                        "Rows hold Action classes.",
                    )
                    continue
                self._declare(one)
                actions.add(snake(one.__name__))
            for following in row.to:
                if following not in known:
                    self._at(
                        place,
                        f"status {name!r} leads to {following!r}, which is no status of the flow.",
                        f"Known: {', '.join(sorted(known))}.",
                    )
            table[str(name)] = (frozenset(actions), frozenset(str(one) for one in row.to))
        return table

    def _actions_in_flow(self, flow: Mapping[str, tuple[frozenset[str], frozenset[str]]]) -> None:
        valid = {name for actions, _ in flow.values() for name in actions}
        for name, action in self.actions.items():
            if name not in valid:
                self._at(
                    self.sources.place(action.type),
                    f"action {action.type.__name__} is valid in no status.",
                    "Add it to a row of the flow, or remove it.",
                )

    def _events_have_key(self) -> None:
        key = self.app.key
        for event in self.events.values():
            info = event.type.model_fields.get(key)
            if info is None:
                self._at(
                    self.sources.place(event.type),
                    f"event {event.name} has no field `{key}`, which says which case it is about.",
                    f"Add {key}: Name.",
                )
            elif not info.is_required() or info.annotation is not str:
                self._at(
                    self.sources.place(event.type, key),
                    f"{event.name}.{key} is the case key: text, always there.",
                    f"Write {key}: Name.",
                )
            elif key in sensitive_fields(event.type):
                self._at(
                    self.sources.place(event.type, key),
                    f"{event.name}.{key} is the case key, which stands in every index: it cannot be sealed.",
                    "Take an id that says nothing about the person as key.",
                )

    # --- functions ----------------------------------------------------------------------------------------------------

    def _function(
        self, function: Callable[..., Any], what: str, count: int
    ) -> tuple[list[tuple[str, Any]], Any] | None:
        """Parameters with resolved annotations, and the return annotation; None with problems otherwise."""
        place = self.sources.place(function)
        name = getattr(function, "__name__", "?")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            self._at(
                place,
                f"{what} {name} is async.",
                "Write a plain def: it is a pure function; what waits belongs into effects.py or advisors.py.",
            )
            return None
        if inspect.isgeneratorfunction(function):
            self._at(place, f"{what} {name} is a generator.", "Return one request, a tuple of requests, or None.")
            return None
        parameters = list(inspect.signature(function).parameters.values())
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(positional) != count or len(parameters) != count:
            self._at(
                place,
                f"{what} {name} takes {len(parameters)} parameters.",
                f"It takes {'the case and a message' if count == 2 else 'the old value'}.",
            )
            return None
        try:
            hints = get_type_hints(function)
        except (NameError, TypeError, AttributeError) as error:
            self._at(
                place,
                f"an annotation of {what} {name} cannot be resolved: {error}.",
                "Import the name at module level.",
            )
            return None
        for parameter in positional:
            if parameter.name not in hints:
                self._at(
                    self.sources.place(function, parameter.name),
                    f"parameter `{parameter.name}` of {what} {name} has no annotation.",
                    "Annotations are the declaration: say its type.",
                )
        if any(parameter.name not in hints for parameter in positional):
            return None
        return [(parameter.name, hints[parameter.name]) for parameter in positional], hints.get(
            "return", inspect.Parameter.empty
        )

    def _takes_case(self, function: Callable[..., Any], parameter: tuple[str, Any], what: str) -> bool:
        name, annotation = parameter
        if (
            inspect.isclass(annotation)
            and inspect.isclass(self.app.case)
            and issubclass(self.app.case, annotation)
            and annotation is not object
        ):
            return True
        self._at(
            self.sources.place(function, name),
            f"the first parameter of {what} {function.__name__} is not the case.",
            f"Write `{name}: {getattr(self.app.case, '__name__', 'YourCase')}`.",
        )
        return False

    def _reducer(self, function: Callable[..., Any]) -> None:
        read = self._function(function, "reducer", 2)
        if read is None:
            return
        (case, message), _ = read
        self._takes_case(function, case, "reducer")
        place = self.sources.place(function, message[0])
        found = self._message(message[1])
        if found is None:
            self._at(place, f"`{message[0]}` of reducer {function.__name__} is no message.", _MESSAGE_HELP)
            return
        kind: MessageKind = found[0]
        cls: type[Any] = found[1]
        self._declare(cls)
        name = snake(cls.__name__) if _is_action(cls) else cls.__name__
        if (kind, name) in self.reducers:
            other = self.reducers[kind, name].function
            self._at(
                place,
                f"reducers {getattr(other, '__name__', '?')} and {function.__name__} both take {_spoken(kind, cls)}.",
                "One reducer per message type: put both into one.",
            )
            return
        self.reducers[kind, name] = Reducer(kind, name, function)

    def _message(self, annotation: Any) -> tuple[MessageKind, type[Any]] | None:
        if inspect.isclass(annotation) and not get_args(annotation):
            if issubclass(annotation, Timer) and annotation is not Timer:
                return "timer", annotation
            if issubclass(annotation, Event) and annotation is not Event:
                return "event", annotation
            return None
        origin, args = get_origin(annotation), get_args(annotation)
        if not (inspect.isclass(origin) and issubclass(origin, Message)) or len(args) != 1:
            return None
        kind = _MESSAGES[origin]
        wanted: type[Any] = Question if kind in ("answered", "unanswered") else Action
        subject: Any = args[0]
        fits = inspect.isclass(subject) and issubclass(subject, wanted) and subject is not wanted
        return (kind, subject) if fits else None

    def _fallback(self, function: Callable[..., Any]) -> None:
        read = self._function(function, "fallback", 2)
        if read is None:
            return
        (case, refused), returned = read
        self._takes_case(function, case, "fallback")
        name = function.__name__
        members = _union_members(refused[1])
        taken = [one for one in members if _is_action(one) and one is not Action]
        if len(taken) != len(members):
            self._at(
                self.sources.place(function, refused[0]),
                f"`{refused[0]}` of fallback {name} is no action.",
                "It is the refused action, e.g. `refused: Pay`.",
            )
            return
        gives = [one for one in _union_members(returned) if _is_action(one)]
        if not gives or len(gives) != len(_union_members(returned)):
            self._at(
                self.sources.place(function),
                f"fallback {name} does not say which action it returns.",
                "Annotate it, e.g. `-> AskCustomer`.",
            )
            return
        for one in (*taken, *gives):
            self._declare(one)
        if name in self.fallbacks:
            self._at(
                self.sources.place(function), f"two fallbacks are called {name}.", "Policies name them: rename one."
            )
        self.fallbacks[name] = Fallback(name, frozenset(snake(one.__name__) for one in taken), function)

    def _upcast(self, function: Callable[..., Any]) -> None:
        read = self._function(function, "upcaster", 1)
        if read is None:
            return
        (old,), new = read
        place = self.sources.place(function, old[0])
        if not (inspect.isclass(old[1]) and issubclass(old[1], BaseModel)):
            self._at(
                place,
                f"`{old[0]}` of upcaster {function.__name__} is no type of a stored value.",
                "Keep the old type as a class, e.g. TicketV1(Case).",
            )
            return
        if not (inspect.isclass(new) and issubclass(new, BaseModel)):
            self._at(
                self.sources.place(function),
                f"upcaster {function.__name__} does not say what it returns.",
                "Annotate the type that replaced the old one.",
            )
            return
        if any(upcast.old is old[1] for upcast in self.upcasts):
            self._at(place, f"two upcasters take {old[1].__name__}.", "One step per old type.")
            return
        codec = self._codec(old[1])
        if codec is not None:
            self.upcasts.append(Upcast(old[1], new, schema_id(old[1].__name__, codec.schema), codec, function))

    def _upcasts_are_distinct(self) -> None:
        """A stored message says nothing of its shape: values of an old type must not read as a later one."""
        for table in (self.events, self.timers, self.questions, self.actions):
            for one in table.values():
                for upcast, later in indistinct(one.type, one.codec, self.upcasts):
                    self._at(
                        self.sources.place(upcast.function),
                        f"a stored {upcast.old.__name__} would be read as {later.__name__}, "
                        f"and upcaster {upcast.function.__name__} never be asked: they have the same fields.",
                        "Give a field that changed its type or meaning another name. One that was only added with a "
                        "default needs no upcaster.",
                    )


# --- annotations ------------------------------------------------------------------------------------------------------


def _types_of_the_past(app: Automation[Any, Any]) -> set[Any]:
    """What upcasters take: an old type takes part in nothing but its upcast."""
    past: set[Any] = set()
    for function in app.upcasts:
        try:
            hints = get_type_hints(function)
        except (NameError, TypeError):
            continue  # an annotation that cannot be read is told where the upcaster is looked at
        hints.pop("return", None)
        past.update(one for one in hints.values() if inspect.isclass(one))
    return past


def _is_action(one: Any) -> TypeGuard[type[Action[Any]]]:
    return inspect.isclass(one) and issubclass(one, Action)


def _is_generic_alias(cls: type[Any]) -> bool:
    """`Action[Transfer]` is a class to pydantic; it is no declaration."""
    metadata = getattr(cls, "__pydantic_generic_metadata__", None)
    return isinstance(metadata, dict) and bool(cast("dict[str, Any]", metadata).get("args"))


def _parameter(cls: type[Any], generic: type[Any]) -> Any | None:
    """The type argument with which a class derives from Question or Action; None if it has none.

    `None` reads NoneType.
    """
    for base in cls.__mro__:
        metadata = cast("dict[str, Any]", getattr(base, "__pydantic_generic_metadata__", None) or {})
        if metadata.get("origin") is generic and metadata.get("args"):
            found = metadata["args"][0]
            return type(None) if found is None else found
    return None


def _union_members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [member for one in get_args(annotation) for member in _union_members(one)]
    return [annotation]


def _literal_values(annotation: Any) -> tuple[str, ...] | None:
    values = get_args(annotation) if str(get_origin(annotation)).endswith("Literal") else ()
    return tuple(values) if values and all(isinstance(value, str) for value in values) else None


def _micros(value: timedelta | None, default: int) -> int:
    return default if value is None else value // timedelta(microseconds=1)


def _spoken(kind: MessageKind, cls: type[Any]) -> str:
    return cls.__name__ if kind in ("event", "timer") else f"{kind.capitalize()}[{cls.__name__}]"
