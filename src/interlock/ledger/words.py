"""Values of the record in words: times, amounts, messages, decisions, changes.

Plain enough for somebody who has never read the code, with the ids that somebody who has will look for. Words are made
anew on every reading; nothing here is stored, so better words change no record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from interlock.vocabulary import canonical
from interlock.vocabulary.advice import COST, Answer, Silence
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.events import (
    AnswerBody,
    BudgetReplyBody,
    CallBody,
    CitedBody,
    DelegateBody,
    Envelope,
    EraseBody,
    EventBody,
    HandlingBody,
    RecoverBody,
    ReserveBody,
    ResolveBody,
    ResultBody,
    SettleBody,
    StartBody,
    TimerBody,
    UndelegateBody,
    VerdictBody,
    WakeBody,
)
from interlock.vocabulary.proposal import Proposal
from interlock.vocabulary.review import Approval
from interlock.vocabulary.sealed import PREFIX
from interlock.vocabulary.verdict import Group

VALUE_CHARS_MAX = 80
"""A value in a line of words. The whole value is in the entry; `--json` has it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SILENCES = {
    "timeout": "it did not answer in time",
    "error": "it failed",
    "garbage": "what it returned was no valid answer",
    "breaker": "it was not asked, because it had been failing",
    "lost": "the worker that asked it died",
    "unavailable": "it could not be asked",
    "declined": "it declined to answer",
    "budget": "it was not asked, because its budget had no room",
}


def iso(us: int) -> str:
    """A moment as data: ISO 8601 in UTC with microseconds."""
    return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(us: int) -> str:
    """A moment for reading: to the second, with milliseconds where there are some."""
    at = _EPOCH + timedelta(microseconds=us)
    milliseconds = at.microsecond // 1000
    return at.strftime("%Y-%m-%d %H:%M:%S") + (f".{milliseconds:03d}" if milliseconds else "") + " UTC"


def lasting(us: int) -> str:
    """A length of time for reading, in its two largest units."""
    if us < 0:
        return f"-{lasting(-us)}"
    if us < 1_000_000:
        return f"{us / 1000:.3g} ms"
    rest, parts = us // 1_000_000, list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def score(micro: int | None) -> str:
    """A score in millionths as a decimal without trailing zeros."""
    if micro is None:
        return "none"
    return f"{micro // 1_000_000}.{micro % 1_000_000:06d}".rstrip("0").rstrip(".")


def value(plain: Any) -> str:
    """Any plain value on one line, shortened."""
    if isinstance(plain, str):
        text = " ".join(plain.split())
    elif plain is None:
        text = "none"
    elif isinstance(plain, bool):
        text = "yes" if plain else "no"
    elif isinstance(plain, int):
        text = str(plain)
    elif isinstance(plain, Mapping):
        text = "{" + fields(cast("Mapping[str, Any]", plain)) + "}"
    else:
        text = canonical.encode(plain).decode()
    if PREFIX in text:  # What is sealed is shown opened or as a word, and a part of it would be neither.
        return text
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


def fields(data: Mapping[str, Any]) -> str:
    """`amount 120.00, reason damaged`."""
    return ", ".join(f"{name} {value(one)}" for name, one in data.items())


def action(name: str, args: Mapping[str, Any]) -> str:
    """`refund (amount 120.00)`; without an action it is a question that was put to people."""
    if not name:
        return f"a question ({fields(args)})" if args else "a question"
    return f"{name} ({fields(args)})" if args else name


def proposal(one: Proposal) -> str:
    return action(one.action, one.args)


def groups(of: Sequence[Group]) -> str:
    return ", ".join(f"{g.name} ({g.approvals} people)" if g.approvals > 1 else g.name for g in of)


def silence(one: Silence) -> str:
    """Why an advisor said nothing."""
    return _SILENCES[one.why] + (f" ({value(one.detail)})" if one.detail else "")


_SCORED_BY = {
    "logprob": "the probability of the tokens that spell the value",
    "votes": "the share of samples that agree",
    "classifier": "another advisor's",
    "verifier": "a verifier's, who was shown the answer",
    "given": "measured by the service",
}


def how(one: Answer) -> tuple[str, ...]:
    """Where a configured advisor's score comes from, what the model claims, what was refused, and what it took."""
    lines: list[str] = []
    if one.scored_by:
        lines.append(f"score: {_SCORED_BY[one.scored_by]}{'' if one.score is not None else '; there was none'}")
    if one.claimed is not None:
        lines.append(f"claims {score(one.claimed)} of itself; that is no score")
    lines.extend(f"refused before: {why}" for why in one.refused)
    if one.usage:
        counts = [f"{name.replace('_', ' ')} {count}" for name, count in sorted(one.usage.items()) if name != COST]
        if COST in one.usage:
            counts.append(f"cost {score(one.usage[COST])} {one.currency}")
        lines.append(f"took {', '.join(counts)}")
    return tuple(lines)


def verdict(decision: Decision) -> str:
    """What was decided, without of what: `allowed`, `denied`, `sent to a person (support)`, ..."""
    match decision.verdict:
        case "allow":
            return "allowed, waiting for its budget" if decision.awaiting else "allowed"
        case "deny":
            return "denied"
        case "escalate":
            return f"sent to people of {groups(decision.groups)}" if decision.groups else "sent to a person"
        case "fallback":
            return f"replaced by fallback {decision.fallback}"


def decided(decision: Decision) -> str:
    """A decision on one line."""
    good = f" to make good {decision.proposal.compensates}" if decision.proposal.compensates else ""
    said = f"{proposal(decision.proposal)}{good} {verdict(decision)}"
    if decision.verdict == "allow" and decision.approvals:
        return f"{said}, approved by {approvers(decision)}"
    return f"{said} by {', '.join(decision.decided_by)}"


def approvers(decision: Decision) -> str:
    return ", ".join(dict.fromkeys(_approver(one) for one in decision.approvals))


def _approver(one: Approval) -> str:
    behalf = f" for {one.behalf}" if one.behalf else ""
    return f"{one.principal}{behalf} ({one.group}{f' by {one.acting}' if one.acting else ''})"


def message(envelope: Envelope, named: Callable[[str], str] = lambda command: command) -> str:
    """What came in. `named` knows the action of a command of this case; without it the command's id stands there."""
    body, who = envelope.body, envelope.principal
    match body:
        case EventBody():
            return f"event {body.type} {envelope.id} from {envelope.source}"
        case CallBody():
            asker = who if body.by == "person" else f"agent {who.removeprefix('agent:')}"
            return f"{asker} asks for {action(body.action, body.args)}"
        case AnswerBody():
            said = body.outcome
            if isinstance(said, Answer):
                return f"{body.advisor} answers {body.question}: {value(said.value)} (score {score(said.score)})"
            return f"{body.advisor} gives no answer to {body.question}: {silence(said)}"
        case ResultBody():
            return f"{named(body.command)}, attempt {body.attempt}: {_said(body)}"
        case StartBody():
            return f"a worker has room for {named(body.command)}, attempt {body.attempt}"
        case TimerBody():
            return f"timer {body.name} is due"
        case WakeBody():
            return {
                "review": f"review {body.about} reached a deadline",
                "budget": f"the wait of {named(body.about)} for its budget is over",
                "orphans": "events waited for the case to be opened until their deadline",
            }[body.what]
        case VerdictBody():
            did = {"approve": "approves", "reject": "rejects", "edit": "edits", "propose": "proposes"}[body.verdict]
            what = named(body.review)
            if body.verdict == "propose":
                what = f"{action(body.action, body.args or {})} for {what}"
            said = f"{who}{_for(body.delegation)} of {body.group} {did} {what}"
            return said + (f": {body.comment}" if body.comment else "")
        case HandlingBody():
            return _handled(body, f"{who}{_for(body.delegation)}", named(body.review))
        case DelegateBody():
            where = " ".join(one for one in (body.automation, body.group) if one) or "everything"
            span = f"from {moment(body.since)} to {moment(body.until)}"
            return f"{who} has {body.to} decide {where} {span}" + (f": {body.comment}" if body.comment else "")
        case UndelegateBody():
            return f"{who} ends delegation {body.delegation}"
        case ResolveBody():
            did = "happened" if body.outcome == "happened" else "did not happen"
            return f"{who} says that {named(body.command)} {did}" + (f": {body.comment}" if body.comment else "")
        case CitedBody():
            return f"a message of {body.size} bytes, stored as {body.digest}"
        case EraseBody():
            return f"{who} erases the personal data" + (f": {body.reason}" if body.reason else "")
        case RecoverBody():
            return {
                "begun": "the store was put back to an earlier state: recovery begins",
                "ended": f"{who} ends the recovery",
                "restored": "the store was put back to an earlier state",
                "settle": "what may have been done in the lost time is looked for",
                "nothing_lost": f"{who} says that nothing was lost",
            }[body.what] + (f": {body.comment}" if body.comment else "")
        case ReserveBody():
            return f"{body.reply_to} asks for {body.amount}, where {body.limit} is the limit"
        case BudgetReplyBody():
            did = "grants" if body.granted else "has room again for" if body.room else "has no room for"
            return f"budget account {body.account} {did} {body.reservation}"
        case SettleBody():
            return f"{body.reservation} is settled at {body.charged}"


def _for(delegation: Delegation | None) -> str:
    return f" (for {delegation.by}, who is away)" if delegation else ""


def _handled(body: HandlingBody, who: str, what: str) -> str:
    """What somebody did with a review beside deciding it."""
    text = f": {body.text}" if body.text else ""
    match body.act:
        case "claim":
            return f"{who} takes {what} in hand"
        case "release":
            return f"{who} gives {what} back"
        case "assign":
            return f"{who} puts {what} into the hands of {body.to}{text}"
        case "reassign":
            return f"{who} hands {what} to {body.to}{text}"
        case "ask":
            return f"{who} asks about {what}{text}"
        case "answer":
            return f"{who} answers what was asked about {what}{text}"
        case "withdraw":
            return f"{who} takes the approval of {what} back{text}"


def _said(body: ResultBody) -> str:
    why = f" ({value(body.reason)})" if body.reason else ""
    told = "" if body.result is None else f": {value(body.result)}"
    match body.phase, body.outcome:
        case "perform", "happened":
            return f"it took effect{told}"
        case "perform", "not_happened":
            return f"it was refused and did not take effect{why}"
        case "perform", _:
            return f"nobody knows whether it took effect{why}"
        case "check", "happened":
            return f"the check found that it took effect{told}"
        case "check", "not_happened":
            return f"the check did not find it{why}"
        case "check", _:
            return f"the check could not say{why}"
        case _, "not_happened":
            return "the earlier attempt can no longer take effect"
        case _, "happened":
            return f"it could not be made impossible: it may have taken effect{told}"
        case _:
            return f"nobody knows whether the earlier attempt was made impossible{why}"
