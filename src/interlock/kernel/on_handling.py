"""What people do with a review beside deciding it: take it in hand, hand it on, ask back, take an approval back.

None of it permits anything, so it can be generous; what it must not do is keep a review from those who would stop it.
A claim runs out by itself, a question has a last moment, a review is handed only to groups that its release names.

A question of a person goes to the case as an event of the automation's own type, where the release names one, so that
our rule can turn it into a letter to a customer or a ticket; an event of the case answers it. Meanwhile the review
waits: nothing is approved, and its deadlines stand still.

INVARIANT: an approval is withdrawn in the turn before its effect starts, or not at all: both are turns of one case.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from interlock.kernel import deadlines, on_review, reviewers
from interlock.kernel.work import Work
from interlock.vocabulary.events import Envelope, EventBody, HandlingBody
from interlock.vocabulary.limits import REVIEW_ANSWER_MS, REVIEW_CLAIM_MS, REVIEW_EXCHANGES_MAX
from interlock.vocabulary.moments import moment
from interlock.vocabulary.release import ReviewSpec
from interlock.vocabulary.review import Claim, Exchange, Review, claimed_by

OWN_SOURCES = "interlock."
"""Sources of the interlock's own messages: what it says to itself answers nobody."""


def on_handling(work: Work, body: HandlingBody) -> None:
    """Do it, or say why it does not count."""
    review = work.record.reviews.get(body.review)
    if body.act == "withdraw":
        refusal = on_review.withdraw(work, body.review)
    elif review is None:
        refusal = "it is not open"
    else:
        refusal = _refused(work, review, body) or _handle(work, review, body)
    if refusal:
        what = f"{_NOUN[body.act]} of {work.message.principal} on review {work.full(body.review)}"
        work.note(f"{what} does not count: {refusal}")


_NOUN = {
    "claim": "claim",
    "release": "release",
    "reassign": "reassignment",
    "assign": "assignment",
    "ask": "question",
    "answer": "answer",
    "withdraw": "withdrawal",
}


def _refused(work: Work, review: Review, body: HandlingBody) -> str:
    # Whoever has taken a review in hand may always give it back, and whoever knows the answer may give it.
    ends = body.act in ("release", "answer")
    return on_review.closed_to(work, review, body.group, body.delegation, stops=ends)


def _handle(work: Work, review: Review, body: HandlingBody) -> str:
    match body.act:
        case "claim":
            return _claim(work, review, body, work.message.principal, "")
        case "assign":
            return _claim(work, review, body, body.to, work.message.principal)
        case "release":
            return _release(work, review)
        case "reassign":
            return _reassign(work, review, body)
        case "ask":
            return _ask(work, review, body)
        case _:
            return _answer(work, review, body)


def _claim(work: Work, review: Review, body: HandlingBody, who: str, given_by: str) -> str:
    """Into somebody's hands: their own wish, or that of whoever had it, or of anybody while nobody had it."""
    if given_by and (refusal := reviewers.not_of(work, body.group, who)):
        return refusal
    if one := reviewers.asked_for_it(work, review, body.group, who):
        return f"{one} asked for it and cannot approve it"
    spec = _spec(work, body.group)
    span = spec.claim if spec is not None else REVIEW_CLAIM_MS * 1_000
    claim = Claim(who, body.group, work.now, work.now + span, given_by)
    work.put_review(structs.replace(review, claim=claim))
    by = f", given by {given_by}" if given_by else ""
    work.note(f"{who} has review {work.full(review.id)} in hand until {moment(claim.until)}{by}")
    return ""


def _release(work: Work, review: Review) -> str:
    claim = claimed_by(review, work.now)
    if claim is None:
        return "nobody has it in hand"
    if claim.by != work.message.principal:
        return f"{claim.by} has it in hand until {moment(claim.until)}"
    work.put_review(structs.replace(review, claim=None))
    work.note(f"{claim.by} gave review {work.full(review.id)} back")
    return ""


def _reassign(work: Work, review: Review, body: HandlingBody) -> str:
    required = reviewers.group_for(review, body.group)
    if required is None:
        return f"group {body.group} is not asked"
    specs = [spec for name in (required.name, body.group) if (spec := _spec(work, name)) is not None]
    may = sorted({to for spec in specs for to in spec.reassign_to} | {required.name})
    if body.to not in may:
        return f"a review of {required.name} can be handed to: {', '.join(may)}; not to {body.to}"
    work.put_review(deadlines.hand_over(work, review, required.name, body.to))
    why = f": {body.text}" if body.text else ""
    work.note(f"{work.message.principal} handed review {work.full(review.id)} from {body.group} to {body.to}{why}")
    return ""


def _ask(work: Work, review: Review, body: HandlingBody) -> str:
    if len(review.exchanges) >= REVIEW_EXCHANGES_MAX:
        return f"{REVIEW_EXCHANGES_MAX} questions were asked already; decide, or hand it on"
    spec = _asking(work, review, body.group)
    if spec is not None and spec.ask_event and len(body.text) > spec.ask_chars:
        return f"{spec.ask_event} takes questions of {spec.ask_chars} characters; this has {len(body.text)}"
    who = work.message.principal
    within = spec.answer_within if spec is not None else REVIEW_ANSWER_MS * 1_000
    asked = Exchange(who, body.text, work.now, work.now + within)
    number = len(review.exchanges) + 1
    work.put_review(structs.replace(review, exchanges=(*review.exchanges, asked), claim=None))
    work.note(f"review {work.full(review.id)} waits for an answer to {who} until {moment(asked.until)}")
    if spec is not None and spec.ask_event:
        data = _event_data(work, review, spec, body.text)
        work.send(work.case, f"ask:{review.id}:{review.round}:{number}", EventBody(spec.ask_event, data))
    else:
        work.flag(f"{who} asks about {review.about} ({work.full(review.id)}): {body.text}")
    return ""


def _event_data(work: Work, review: Review, spec: ReviewSpec, text: str) -> dict[str, Any]:
    known = {
        "question": text,
        "review": work.full(review.id),
        "asked_by": work.message.principal,
        "about": review.about,
    }
    return {spec.ask_key: work.case.key, **{name: known[name] for name in spec.ask_fields}}


def _answer(work: Work, review: Review, body: HandlingBody) -> str:
    waiting = review.waits_for
    if waiting is None:
        return "no question of it waits for an answer"
    who = work.message.principal
    work.note(f"{who} answers {waiting.by} on review {work.full(review.id)}: {body.text}")
    work.put_review(on_review.answered(work, review, who, body.text))
    return ""


def event_answers(work: Work, message: Envelope, type: str) -> None:
    """An event from outside has been folded: it answers the questions of this case's reviews that wait for one."""
    if message.source.startswith(OWN_SOURCES):
        return
    for review in list(work.record.reviews.values()):
        waiting = review.waits_for
        if waiting is None:
            continue
        wanted = {name for group in review.groups for name in _answered_by(work, review, group.name)}
        if wanted and type not in wanted:
            continue
        work.note(f"event {type} {message.id} answers {waiting.by} on review {work.full(review.id)}: {waiting.text}")
        work.put_review(on_review.answered(work, review, f"event {type} {message.id} from {message.source}", ""))


def _answered_by(work: Work, review: Review, group: str) -> tuple[str, ...]:
    spec = _asking(work, review, group)
    return spec.answered_by if spec is not None else ()


def _asking(work: Work, review: Review, group: str) -> ReviewSpec | None:
    """How this group asks back: as it says itself, else as the group does for which it acts."""
    own = _spec(work, group)
    if own is not None and own.ask_event:
        return own
    required = reviewers.group_for(review, group)
    return (_spec(work, required.name) if required is not None else None) or own


def _spec(work: Work, group: str) -> ReviewSpec | None:
    return work.program.reviews.get(group)
