"""The types a user derives from: Case, Event, Timer, Question, Action; and `@action`, which says what an effect is
like.

A case is a draft in a reducer's hands and mutable; everything else is a fact and frozen. What the decorators collect
stays on the class:
there is no registry, and importing a module has no effect beyond it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, cast, dataclass_transform, overload

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeVar

from interlock.automation.markers import Advice, Advisor, Checker, Fence, Performer
from interlock.automation.values import Meta
from interlock.vocabulary.action import Consequence, Kind

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _ModelType
else:
    _ModelType = type(BaseModel)

R_co = TypeVar("R_co", covariant=True)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class _FactType(_ModelType):
    """Tells type checkers that instances are frozen and take keywords."""


class Fact(BaseModel, metaclass=_FactType):
    """A frozen value with no unknown fields. Derive from Event, Timer, Question or Action, not from this."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Case(BaseModel):
    """What is known of one case. Needs a field `status` of the flow's Literal, and a default for every field.

    A reducer gets its own copy and changes it by plain assignment; it is validated as a whole when the turn ends.
    """

    model_config = ConfigDict(extra="forbid")


class Told(Fact):
    """A fact that comes to a case as a message, and so knows where it came from."""

    __slots__ = ("_told_meta",)

    if TYPE_CHECKING:
        _told_meta: ClassVar[Any]

    @property
    def meta(self) -> Meta:
        """Where this message came from and when. Only messages that a reducer was given have it."""
        try:
            return object.__getattribute__(self, "_told_meta")
        except AttributeError:
            raise AttributeError(
                f"this {type(self).__name__} was not received: only a message given to a reducer has `meta`"
            ) from None


def told(message: Told, meta: Meta) -> None:
    """Give a received message its meta."""
    object.__setattr__(message, "_told_meta", meta)


class Event(Told):
    """A fact from outside. `class X(Event, opens=True)` may open a case; others wait for the one that does."""

    opens: ClassVar[bool] = False

    def __init_subclass__(cls, *, opens: bool = False, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.opens = opens


class Timer(Told):
    """A message to oneself at a later time, one per type and case."""


class Question(Fact, Generic[R_co]):
    """What a reducer asks; its fields are all that an advisor gets. `Question[Reading]` is answered with a Reading."""

    @classmethod
    def advisor(
        cls, name: str
    ) -> Callable[[Callable[[Self], Awaitable[Advice[R_co]] | Advice[R_co]]], Advisor[Self, R_co]]:
        """Mark a function, async or plain, as the advisor that release.toml calls `name`."""

        def mark(run: Callable[[Any], Any]) -> Advisor[Any, Any]:
            return Advisor(cls, name, run)

        return mark


class Action(Fact, Generic[R_co]):
    """Something that may be done.

    Fields are its arguments; `Action[Transfer]` results in a Transfer. Needs `@action(...)`.
    """

    @classmethod
    def performer(cls, run: Callable[[Self, str], Awaitable[R_co] | R_co]) -> Performer[Self, R_co]:
        """Mark the function, async or plain, that carries the action out under an idempotency key."""
        return Performer(cls, cast("Callable[[Any, str], Any]", run))

    @classmethod
    def checker(
        cls, run: Callable[[Self, str], Awaitable[R_co | bool | None] | R_co | bool | None]
    ) -> Checker[Self, R_co]:
        """Mark the function that says whether the effect under this key happened: its result, or None.

        An action without a result answers True or False.
        """
        return Checker(cls, cast("Callable[[Any, str], Any]", run))

    @classmethod
    def fence(cls, run: Callable[[Self, str], Awaitable[None] | None]) -> Fence[Self]:
        """Mark the function that makes an earlier attempt under this key impossible, now and later."""
        return Fence(cls, cast("Callable[[Any, str], Any]", run))


@dataclass(frozen=True, slots=True)
class InDoubt:
    """What is done about an effect of which nobody knows whether it took place.

    first     from the doubt to the first look by the checker; 5 s when it is not said
    longest   the distance between two looks doubles from `first` up to this; 1 h when it is not said
    probes    looks that may end without an answer before a person is asked; 24 when it is not said
    to        the group that is asked then, or at once where there is no checker; the policy's default group without it
    """

    first: timedelta | None = None
    longest: timedelta | None = None
    probes: int | None = None
    to: str = ""

    @property
    def scheduled(self) -> bool:
        """Whether it says anything about when to look."""
        return not (self.first is None and self.longest is None and self.probes is None)


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """What `@action` was told, as it was told; `define` judges it."""

    reversible: bool
    kind: Kind
    undo: type[Action[Any]] | Literal["nothing"] | None
    once_per: Literal["case"] | None
    not_after: tuple[type[Action[Any]], ...]
    key_valid_for: timedelta | None
    settle_after: timedelta | None
    start_before: timedelta | None
    consequence: Consequence | None
    in_doubt: InDoubt | None


A = TypeVar("A", bound=type[Action[Any]])
OPTIONS = "__interlock_action__"


@overload
def action(
    *,
    reversible: Literal[True],
    kind: Kind,
    undo: type[Action[Any]] | Literal["nothing"],
    once_per: Literal["case"] | None = None,
    not_after: tuple[type[Action[Any]], ...] = (),
    key_valid_for: timedelta | None = None,
    settle_after: timedelta | None = None,
    start_before: timedelta | None = None,
    consequence: Consequence | None = None,
    in_doubt: InDoubt | None = None,
) -> Callable[[A], A]: ...
@overload
def action(
    *,
    reversible: Literal[False],
    kind: Kind,
    once_per: Literal["case"] | None = None,
    not_after: tuple[type[Action[Any]], ...] = (),
    key_valid_for: timedelta | None = None,
    settle_after: timedelta | None = None,
    start_before: timedelta | None = None,
    consequence: Consequence | None = None,
    in_doubt: InDoubt | None = None,
) -> Callable[[A], A]: ...
def action(
    *,
    reversible: bool,
    kind: Kind,
    undo: type[Action[Any]] | Literal["nothing"] | None = None,
    once_per: Literal["case"] | None = None,
    not_after: tuple[type[Action[Any]], ...] = (),
    key_valid_for: timedelta | None = None,
    settle_after: timedelta | None = None,
    start_before: timedelta | None = None,
    consequence: Consequence | None = None,
    in_doubt: InDoubt | None = None,
) -> Callable[[A], A]:
    """Say what an effect is like.

    reversible      True names its `undo`: an action class, or "nothing" when it leaves no lasting effect
    kind            "idempotent": the outside deduplicates on the key for `key_valid_for`; "checkable": it can be
                    asked, and a retry needs
                    a fence or waits `settle_after`; "once": never retried automatically
    once_per        "case": at most once in a case; not_after: refused once one of these has taken effect
    start_before    an effect not started this long after its decision is judged again
    consequence     minor < money < security < final; minor when reversible, else money
    settle_after    how long an attempt that was not found may still show itself; of a checkable action without a fence,
                    and of the others where they have a checker
    in_doubt        how an unknown outcome is looked into: when the checker is asked, and which group after that
    """
    options = ActionOptions(
        reversible, kind, undo, once_per, not_after, key_valid_for, settle_after, start_before, consequence, in_doubt
    )

    def mark(cls: A) -> A:
        setattr(cls, OPTIONS, options)
        return cls

    return mark


def action_options(cls: type[Action[Any]]) -> ActionOptions | None:
    """What `@action` said of exactly this class; a base class's word does not count."""
    found = vars(cls).get(OPTIONS)
    return found if isinstance(found, ActionOptions) else None
