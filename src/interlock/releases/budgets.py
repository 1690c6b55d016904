"""`[budgets.*]` of release.toml: what may not be exceeded, of actions or of what asking advisors costs.

    [budgets.refunds]                         [budgets.model_money]
    for = "refund"                            advisors = ["large", "small"]
    sum = "proposal.amount"                   sum = "usage.cost"
    by = ["case.customer"]                    reserve = 0.02
    max = 5000.00                             max = 50.00
    hard = 8000.00                            currency = "EUR"
    per = "day Europe/Berlin"                 per = "day Europe/Berlin"
    settle = "result.refunded"

Amounts become integers of their own scale here: that of the argument, or of the cost of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from interlock.automation.definition import Definition
from interlock.automation.policyschema import result_field
from interlock.policy.schema import (
    BoolType,
    DecimalType,
    EnumType,
    Field,
    IntType,
    RecordType,
    Schema,
    StringType,
    Type,
)
from interlock.releases.tables import Table, micros, nearest
from interlock.vocabulary.advice import COST, COST_SCALE
from interlock.vocabulary.limits import BUDGET_WAIT_FOR_MS, ROLLING_MS_MIN
from interlock.vocabulary.release import BudgetSpec, Per

_WINDOWS: tuple[Per, ...] = ("minute", "hour", "day", "week", "month", "quarter", "year", "ever")
_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
"""Names of accounts and reservations are made of it, so it holds none of their separators."""

_USAGE = re.compile(r"usage\.[a-z][a-z0-9_]*")
_CURRENCY = re.compile(r"[A-Z]{3}")
_OF_ACTIONS_ALONE = ("hard", "on_exceeded", "wait_for", "group", "settle")

ActionNamed = Callable[[Table, str, str | None], str | None]
"""The action of a name in either spelling; None with a problem noted at the table's key."""


def read_budget(
    one: Table, name: str, definition: Definition, schema: Schema, advisors: Collection[str], action_named: ActionNamed
) -> BudgetSpec | None:
    """One budget; None where something is wrong with it."""
    before = len(one.document.problems)
    if not _NAME.fullmatch(name):
        one.note(None, f"{name!r} is no name of a budget.", "Use letters, digits, - and _.")
    if one.has("advisors"):
        spec = _of_advisors(one, name, schema, advisors)
    else:
        spec = _of_actions(one, name, definition, schema, action_named)
    one.done()
    return spec if len(one.document.problems) == before else None


def _of_actions(one: Table, name: str, definition: Definition, schema: Schema, action_named: ActionNamed) -> BudgetSpec:
    given = one.texts("for")
    if not given:
        one.note(
            None,
            "it does not say what it covers.",
            'Write for = "pay" or for = ["pay", "refund"], or advisors = ["large"].',
        )
    actions = tuple(found for action in given if (found := action_named(one, action, "for")) is not None)
    summed = _sum_or_count(one, "actions", "proposal.amount")
    scale = _scale_of_actions(one, summed, actions, schema)
    auto = _limit(one, "max", scale)
    hard = _units(one, "hard", one.number("hard"), scale) if one.has("hard") else auto
    if hard < auto:
        one.note("hard", "`hard` is below `max`.", "People may approve between max and hard; nobody above hard.")
    by = one.texts("by")
    for path in by:
        for action in actions:
            _check_key(one, path, _field(schema.roots(action).get(path.partition(".")[0]), path), f" for {action}")
    per, zone, rolling = _window(one)
    on_exceeded = one.choice("on_exceeded", ("escalate", "deny", "wait"), "escalate")
    if one.has("wait_for") and on_exceeded != "wait":
        one.note("wait_for", "nothing waits here.", 'Write on_exceeded = "wait" as well.')
    default = BUDGET_WAIT_FOR_MS * 1_000
    return BudgetSpec(
        name,
        actions,
        auto,
        hard,
        scale,
        summed,
        " ".join(by),
        per,
        zone,
        rolling,
        cast("Literal['escalate', 'deny', 'wait']", on_exceeded),
        one.text("group"),
        settle=_settle(one, summed, scale, actions, definition),
        wait_for=one.duration("wait_for", default) or default,
        currency=_currency(one),
    )


def _of_advisors(one: Table, name: str, schema: Schema, known: Collection[str]) -> BudgetSpec:
    if one.has("for"):
        one.note("for", "it covers actions or advisors, not both.", "Use two budgets.")
        one.take("for")
    for key in _OF_ACTIONS_ALONE:
        if one.has(key):
            one.note(
                key,
                f"`{key}` is for budgets of actions.",
                "An advisor that cannot be afforded is not asked: the next of the chain is, or nobody answers.",
            )
            one.take(key)
    advisors = one.texts("advisors")
    for advisor in advisors:
        if advisor not in known:
            one.note("advisors", f"no question asks {advisor}.", nearest(advisor, known))
    summed = _sum_or_count(one, "calls", "usage.cost")
    if summed and not _USAGE.fullmatch(summed):
        one.note("sum", f"{summed} is nothing that an answer says it used.", 'Write e.g. "usage.cost", "usage.tokens".')
    costs = summed == f"usage.{COST}"
    scale = COST_SCALE if costs else 0
    currency = _currency(one)
    if costs and not currency:
        one.note(None, "it is of money and has no `currency`.", 'Write currency = "EUR", as the answers say it.')
    each = 1
    if summed:
        said = one.number("reserve")
        if said is None or said == 0:
            one.note(
                None,
                "it does not say what is reserved for one call.",
                "Write reserve = the most that one call uses: nobody is asked while less than that is free.",
            )
        else:
            each = _units(one, "reserve", said, scale)
    elif one.has("reserve"):
        one.note("reserve", "a call that is counted takes one.", "Remove it.")
        one.take("reserve")
    auto = _limit(one, "max", scale)
    by = one.texts("by")
    for path in by:
        root = schema.case if path.startswith("case.") else None
        _check_key(one, path, _field(Field(root) if root else None, path), "", of="case")
    return BudgetSpec(
        name,
        (),
        auto,
        auto,
        scale,
        summed,
        " ".join(by),
        *_window(one),
        advisors=advisors,
        each=each,
        currency=currency,
    )


def _sum_or_count(one: Table, counted: str, example: str) -> str:
    summed, count = one.text("sum"), one.flag("count", False)
    if bool(summed) == count:
        one.note(
            None, f"it sums a field or counts {counted}: one of the two.", f'Write sum = "{example}" or count = true.'
        )
    return summed


def _scale_of_actions(one: Table, summed: str, actions: tuple[str, ...], schema: Schema) -> int:
    if not summed:
        return 0
    fields = {action: _field(schema.roots(action).get(summed.partition(".")[0]), summed) for action in actions}
    scales = {_scale(field.type if field else None) for field in fields.values()}
    if None in scales:
        one.note(
            "sum",
            f"{summed} is no bounded number of {', '.join(actions)}.",
            "Sum a Decimal or int with bounds, e.g. proposal.amount.",
        )
    elif len(scales) > 1:
        one.note("sum", f"{summed} has different decimal places in {', '.join(actions)}.", "Use two budgets.")
    for action, field in fields.items():
        if field is not None and isinstance(field.type, DecimalType | IntType) and field.type.lo < 0:
            one.note(
                "sum", f"{summed} may be negative in {action}.", "Give it ge=0: a budget takes, it never gives back."
            )
    return next((scale for scale in scales if scale is not None), 0)


def _settle(one: Table, summed: str, scale: int, actions: tuple[str, ...], definition: Definition) -> str:
    path = one.text("settle")
    if not path:
        return ""
    if not summed:
        one.note("settle", "what is counted is one, whatever the result says.", "Remove it, or sum a field.")
        return ""
    for action in actions:
        result = result_field(definition.actions[action])
        found = _field(result, path) if path.partition(".")[0] == "result" else None
        said = _scale(found.type if found else None)
        if said is None:
            one.note(
                "settle",
                f"{path} is no bounded number in the result of {action}.",
                'Name a Decimal or int with bounds that the performer returns, e.g. "result.refunded".',
            )
        elif said > scale:
            one.note(
                "settle",
                f"{path} has {said} decimal places in the result of {action}, {summed} has {scale}.",
                "Give both as many.",
            )
    return path


def _currency(one: Table) -> str:
    currency = one.text("currency")
    if currency and not _CURRENCY.fullmatch(currency):
        one.note("currency", f"{currency!r} is no currency.", "Write its three letters: EUR.")
    return currency


def _check_key(one: Table, path: str, field: Field | None, where: str, *, of: str = "proposal or the case") -> None:
    if field is None or not isinstance(field.type, StringType | IntType | BoolType | EnumType):
        one.note(
            "by",
            f"{path} is no single value that is known{where}.",
            f"Name a text, whole number, choice or flag of the {of}.",
        )


def _window(one: Table) -> tuple[Per, str, int]:
    text = one.text("per", "day UTC")
    kind, _, rest = text.partition(" ")
    rest = rest.strip()
    if kind == "rolling":
        length = micros(rest) or 0
        if length < ROLLING_MS_MIN * 1_000 or length % 1_000_000:
            one.note(
                "per", f"{text!r} is no window.", 'Write e.g. per = "rolling 90d": whole seconds, a minute or more.'
            )
        return "rolling", "UTC", length
    if kind not in _WINDOWS:
        one.note(
            "per",
            f"{text!r} is no window.",
            'Write per = "day Europe/Berlin", "hour", "week", "month", "ever" or "rolling 90d".',
        )
        return "day", "UTC", 0
    zone = rest or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        one.note("per", f"there is no time zone {zone!r}.", "Use a name such as Europe/Berlin or UTC.")
    return kind, zone, 0


def _limit(one: Table, key: str, scale: int) -> int:
    most = one.number(key)
    if most is None and not one.has(key):
        one.note(None, f"it has no `{key}`.", "Write max = the limit for decisions without a person.")
    return _units(one, key, most, scale)


def _units(one: Table, key: str, value: Decimal | None, scale: int) -> int:
    units = (value or Decimal(0)).scaleb(scale)
    if units != units.to_integral_value():
        one.note(key, f"`{key}` has more than {scale} decimal places.", "What it limits has no more.")
    return int(units)


def _field(root: Field | None, path: str) -> Field | None:
    """The field that a dotted path names below its root."""
    here = root
    for step in path.split(".")[1:]:
        if here is None or not isinstance(here.type, RecordType):
            return None
        here = here.type.fields.get(step)
    return here


def _scale(type_: Type | None) -> int | None:
    match type_:
        case DecimalType(scale=scale):
            return scale
        case IntType():
            return 0
        case _:
            return None
