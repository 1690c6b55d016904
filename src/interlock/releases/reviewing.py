"""From `[reviews.GROUP]` to how the group reviews: its members, what its deadlines do, how its people ask back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from interlock.automation.definition import Definition
from interlock.automation.shape import shape_of
from interlock.releases.tables import Table, micros, nearest
from interlock.vocabulary.limits import (
    RATIONALE_CHARS_MAX,
    REVIEW_ANSWER_MS,
    REVIEW_CLAIM_MS,
    REVIEW_EXPIRES_MS,
    REVIEW_REMINDERS_MAX,
)
from interlock.vocabulary.release import Handover, ReviewSpec

ASK_FIELDS = ("question", "review", "asked_by", "about")
"""What an event that a question becomes may hold beside its case: `question` always, the others if it likes."""

NAME_CHARS_LEAST = 500
"""How long a text the other fields must take: a review's full id, a principal, an action's name."""


def read_reviews(table: Table, definition: Definition) -> dict[str, ReviewSpec]:
    """Every group's spec. Mistakes are noted in the table's document."""
    return {group: _read(table.table(group), group, definition) for group in table.names()}


def _read(one: Table, group: str, definition: Definition) -> ReviewSpec:
    show = one.texts("show")
    for path in show:
        if path.partition(".")[0] not in ("case", "proposal", "advice"):
            one.note("show", f"{path!r} is nothing that a review has.", "Paths begin with case., proposal. or advice.")
    expires = one.duration("expires", REVIEW_EXPIRES_MS * 1000) or REVIEW_EXPIRES_MS * 1000
    event, key, fields, chars = _ask(one, definition)
    answered_by = one.texts("answered_by")
    for name in answered_by:
        if name not in definition.events:
            one.note("answered_by", f"there is no event {name}.", nearest(name, definition.events))
    reassign_to = one.texts("reassign_to")
    if group in reassign_to:
        one.note("reassign_to", f"{group} has its own reviews already.", "Name other groups.")
    spec = ReviewSpec(
        group,
        expires,
        one.flag("four_eyes", True),
        show,
        members=one.texts("members"),
        claim=one.duration("claim", REVIEW_CLAIM_MS * 1000) or REVIEW_CLAIM_MS * 1000,
        remind=_reminders(one, expires),
        reassign=_handover(one, "reassign", group, expires),
        escalate=_handover(one, "escalate", group, expires),
        reassign_to=reassign_to,
        ask_event=event,
        ask_key=key,
        ask_fields=fields,
        ask_chars=chars,
        answered_by=answered_by,
        answer_within=one.duration("answer_within", REVIEW_ANSWER_MS * 1000) or REVIEW_ANSWER_MS * 1000,
    )
    one.done()
    return spec


def _reminders(one: Table, expires: int) -> tuple[int, ...]:
    """`remind = "4h"`, or a list of such times, each from the opening."""
    found: list[int] = []
    for text in one.texts("remind"):
        after = micros(text)
        if after is None:
            one.note("remind", f"`remind`: {text!r} is no duration.", "Write 30m, 4h, 1d.")
        elif after >= expires:
            one.note("remind", f"`remind`: after {text} the review has expired.", "Remind before `expires`.")
        else:
            found.append(after)
    if len(found) > REVIEW_REMINDERS_MAX:
        one.note("remind", f"`remind` has {len(found)} times; {REVIEW_REMINDERS_MAX} are taken.", "Ask other people.")
    return tuple(sorted(found))


def _handover(one: Table, key: str, group: str, expires: int) -> Handover | None:
    """`reassign = {after = "8h", to = "seniors"}`; `escalate` alike."""
    if not one.has(key):
        return None
    table = one.table(key)
    after, to = table.duration("after", None), table.text("to")
    table.done()
    if after is None or not to:
        one.note(key, f"`{key}` needs when and to whom.", f'Write {key} = {{after = "8h", to = "seniors"}}.')
        return None
    if after >= expires:
        one.note(key, f"`{key}`: by then the review has expired.", "Say a time before `expires`.")
    if to == group:
        one.note(key, f"`{key}`: {group} is asked already.", "Name another group.")
    return Handover(after, to)


def _ask(one: Table, definition: Definition) -> tuple[str, str, tuple[str, ...], int]:
    """The event that a question becomes: its name, key field, other fields, and how long a question it takes."""
    name = one.text("ask")
    if not name:
        return "", "", (), 0
    event = definition.events.get(name)
    if event is None:
        one.note("ask", f"there is no event {name}.", nearest(name, definition.events))
        return "", "", (), 0
    shape = shape_of(event.codec.schema)
    fields = {
        field: cast("dict[str, Any]", described["type"])
        for field, described in cast("dict[str, dict[str, Any]]", shape["fields"]).items()
        if field != definition.key
    }
    known = tuple(field for field in ASK_FIELDS if field in fields)
    unknown = [field for field in fields if field not in known]
    must = [field for field in unknown if "default" not in cast("dict[str, Any]", shape["fields"][field])]
    if must or "question" not in fields:
        what = f"{name} has {', '.join(must)}, which no question has." if must else f"{name} has no field `question`."
        one.note("ask", f"`ask`: {what}", f"Its fields are {definition.key}, question, and of {_OTHERS} what you like.")
        return "", "", (), 0
    for field in known:
        chars = _chars(fields[field])
        if chars is None:
            one.note("ask", f"`ask`: {name}.{field} does not take any text.", "Make it str.")
        elif field != "question" and chars < NAME_CHARS_LEAST:
            said = f"{name}.{field} takes {chars} characters, and a name may have {NAME_CHARS_LEAST}."
            one.note("ask", f"`ask`: {said}", "Make it str without a bound.")
    return name, definition.key, known, min(_chars(fields["question"]) or 0, RATIONALE_CHARS_MAX)


_OTHERS = ", ".join(ASK_FIELDS[1:])


def _chars(shape: Mapping[str, Any]) -> int | None:
    """How long a text fits; None where not every text of that length does."""
    if shape["is"] != "str" or "pattern" in shape or "checked_by" in shape or shape.get("min_length", 0) > 1:
        return None
    return int(shape.get("max_length", RATIONALE_CHARS_MAX))
