"""Scenarios as text: what happens, and under it what the interlock makes of it. Public.

A scenario is a file that a support lead can check. It begins with its reason, in comments. Then come blocks: commands,
a line `----`, and what came of them, which this module writes and compares.

    # An order within the desk's limits is paid without a person.
    # Why: this is what everybody hopes for, so it comes first.
    advice Assess first amount=80.00 advice=pay score=0.9
    advice Assess second amount=80.00 advice=pay score=0.8
    event Placed order=o1 total=80.00
    ----
    o1.1 event Placed e1 from shop: new -> open
        asks Assess
    ...

Commands (words `name=value` that begin with `@` are about the message, the others are its data):

    use FOLDER                                the automation, relative to the file; without it, the one given to `play`
    event TYPE FIELD=VALUE... [@id=e1] [@source=shop] [@at=-10m] [@by=shop]      at: when it happened, from now
    call ACTION CASE FIELD=VALUE... @by=ann                                      `agent:...` is an agent
    advice QUESTION ADVISOR FIELD=VALUE... [score=0.9]     from now on, and now if it is being asked; @once=yes: once
    silent QUESTION ADVISOR                                the same, without an answer
    outside ACTION happens|refuses|loses_reply|unreachable [@mute=yes]     mute: its checker cannot say
    reply CASE ACTION happened|not_happened [@attempt=1]                   of a worker that had been given up
    approve|reject CASE GROUP @by=ann [@stale=yes]     edit CASE GROUP FIELD=VALUE... @by=ann
    propose CASE GROUP ACTION FIELD=VALUE... @by=ann       on a review of a question; @for=bob: for somebody who is away
    claim|release|withdraw CASE GROUP @by=ann        assign|reassign CASE GROUP @to=bob @by=ann
    ask|answer CASE GROUP WORD... @by=ann            delegate ann bob 2d
    resolve CASE ACTION happened|not_happened @by=ann
    wait 10m        pause SCOPE        resume [SCOPE]        dies after ACTION        valid CASE

Advisors that nobody has spoken for think until their time is over. `python -m interlock.testing.scenarios --regenerate
FILE...` writes what comes of each block anew; read the difference before you commit it.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast

from interlock.automation.effects import Effects
from interlock.kernel.lifecycle import valid_actions
from interlock.releases import Release, load_release
from interlock.runtime import control, inbox
from interlock.runtime.delegated import delegation
from interlock.testing.bench import duration
from interlock.testing.outside import Conduct, Quiet
from interlock.testing.stage import Stage
from interlock.vocabulary.advice import Answer, Silence, score_micro
from interlock.vocabulary.decision import Decision
from interlock.vocabulary.delegation import Delegation
from interlock.vocabulary.entry import Entry
from interlock.vocabulary.errors import InterlockError, Refused
from interlock.vocabulary.events import (
    AnswerBody,
    BudgetReplyBody,
    CallBody,
    DelegateBody,
    Envelope,
    EventBody,
    HandlingAct,
    HandlingBody,
    ResolveBody,
    ResultBody,
    StartBody,
    TimerBody,
    VerdictBody,
    WakeBody,
)
from interlock.vocabulary.ids import CaseId
from interlock.vocabulary.review import Review

RULE = "----"
INDENT = "    "
"""Before what belongs to the line above."""


@dataclass
class Block:
    """Commands, and what is written under them."""

    commands: list[str] = field(default_factory=list[str])
    output: list[str] = field(default_factory=list[str])
    line: int = 0


@dataclass
class Scenario:
    """A file: what stands before the first block, and the blocks."""

    head: list[str]
    blocks: list[Block]

    def text(self) -> str:
        parts = ["\n".join(self.head)] if self.head else []
        parts += ["\n".join([*block.commands, RULE, *block.output]) for block in self.blocks]
        return "\n\n".join(parts) + "\n"


class ScenarioError(Exception):
    """A scenario says something that cannot be done; names the line."""


def parse(text: str) -> Scenario:
    """Blocks are separated by empty lines. Raises ScenarioError when the file does not open with its reason."""
    head: list[str] = []
    blocks: list[Block] = []
    for start, lines in _paragraphs(text):
        if RULE in lines:
            at = lines.index(RULE)
            blocks.append(Block(lines[:at], lines[at + 1 :], start))
        elif blocks:
            raise ScenarioError(f"line {start}: a block ends with {RULE} and what came of it.")
        else:
            head += lines
    first = head or (blocks[0].commands if blocks else [])
    if not first or not first[0].startswith("#"):
        raise ScenarioError("line 1: a scenario opens with its reason, in a comment.")
    return Scenario(head, blocks)


def _paragraphs(text: str) -> Iterator[tuple[int, list[str]]]:
    lines: list[str] = []
    start = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip():
            if not lines:
                start = number
            lines.append(line.rstrip())
        elif lines:
            yield start, lines
            lines = []


def play(text: str, folder: Path, *, automation: Path | None = None) -> str:
    """The scenario with what really comes of it. `use` looks in `folder`; a file that names none gets `automation`."""
    scenario = parse(text)
    players: list[_Player] = []
    try:
        for block in scenario.blocks:
            block.output = _play_block(block, folder, automation, players)
    finally:
        for player in players:
            player.close()
    return scenario.text()


def _play_block(block: Block, folder: Path, automation: Path | None, players: list[_Player]) -> list[str]:
    said: list[str] = []
    for offset, command in enumerate(block.commands):
        words = command.split()
        if words[0].startswith("#"):
            continue
        try:
            if words[0] == "use":
                players.append(_Player(folder / words[1]))
                continue
            if not players:
                if automation is None:
                    raise ScenarioError("no automation is named; begin with `use FOLDER`.")
                players.append(_Player(automation))
            said += players[-1].do(words)
        except (InterlockError, ScenarioError, LookupError, ValueError) as error:
            raise ScenarioError(f"line {block.line + offset}: {command}: {error}") from error
    return said + (players[-1].news() if players else [])


class _Player:
    """One automation on stage, told what to do in words."""

    def __init__(self, path: Path) -> None:
        release = load_release(path)
        self._wire = release.loaded.wire
        # Code advisors do not speak for themselves here: a scenario says what is said.
        self._stage = Stage(_speechless(release))
        self._cases: dict[CaseId, int] = {}
        self._booked = 0
        self._count = 0

    def close(self) -> None:
        self._stage.close()

    @property
    def _now(self) -> int:
        return self._stage.clock.now()

    def do(self, words: Sequence[str]) -> list[str]:
        """Carry out one command; what it says at once."""
        command, *rest = words
        about = {word[1:].partition("=")[0]: word.partition("=")[2] for word in rest if word.startswith("@")}
        data = {word.partition("=")[0]: word.partition("=")[2] for word in rest if "=" in word and word[0] != "@"}
        names = [word for word in rest if "=" not in word]
        action = getattr(self, f"_do_{command}", None)
        if action is None:
            raise ScenarioError(f"there is no command {command!r}.")
        said: list[str] | None = action(names, data, about)
        self._stage.settle()
        return said or []

    # --- commands

    def _do_event(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        self._count += 1
        type_, source = names[0], about.get("source", "shop")
        at = about.get("at", "")
        moved = (-1 if at.startswith("-") else 1) * duration(at.lstrip("+-")) if at else 0
        made = inbox.event_envelope(
            self._stage.release.name,
            self._wire,
            type_,
            _plain(data),
            id=about.get("id", f"e{self._count}"),
            source=source,
            principal=about.get("by", source),
            occurred_at=self._now + moved,
            now=self._now,
        )
        return self._send(made)

    def _do_call(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        self._count += 1
        by = about.get("by", "ann")
        made = inbox.call_envelope(
            self._stage.release.name,
            self._wire,
            names[0],
            _plain(data),
            key=names[1],
            id=about.get("id", f"c{self._count}"),
            source="console",
            principal=by,
            by="agent" if by.startswith("agent:") else "person",
            now=self._now,
        )
        return self._send(made)

    def _do_advice(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> None:
        question, advisor = names
        score = data.pop("score", None)
        value = self._wire.answer_value(question, _plain(data))
        outside = self._stage.outside
        say = outside.say_once if about.get("once") else outside.say
        say(question, advisor, Answer(value, score_micro(Decimal(score) if score else None)))

    def _do_silent(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> None:
        question, advisor = names
        self._stage.outside.say(question, advisor, Quiet())

    def _do_outside(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> None:
        action, conduct = names
        modes = {"happens": "happens", "refuses": "refuses", "loses_reply": "loses_reply", "unreachable": "fails"}
        mode = cast("Literal['happens', 'refuses', 'loses_reply', 'fails']", modes[conduct])
        self._stage.outside.conduct[self._wire.action_name(action)] = Conduct(mode, mute="mute" in about)

    def _do_reply(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        self._count += 1
        key, action, outcome = names
        local = self._effect(key, action)
        said = cast("Literal['happened', 'not_happened']", outcome)
        body = ResultBody(local, int(about.get("attempt", "1")), "perform", said, reason="late")
        case, now = CaseId(self._stage.release.name, key), self._now
        return self._send(Envelope(*case, f"l{self._count}", "worker", "worker", now, now, body))

    def _effect(self, key: str, action: str) -> str:
        """The newest effect of an action that has been called, by the name it has within its case."""
        name, case = self._wire.action_name(action), CaseId(self._stage.release.name, key)
        for command in reversed(self._stage.outside.called):
            if command.action == name and command.key == case.key:
                return command.id.rpartition("/")[2]
        raise ScenarioError(f"{action} of {key} has never been called.")

    def _do_approve(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._verdict("approve", names, None, about)

    def _do_reject(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._verdict("reject", names, None, about)

    def _do_edit(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._verdict("edit", names, _plain(data), about)

    def _do_propose(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        *names, action = names
        return self._verdict("propose", names, _plain(data), about, action)

    def _do_claim(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._handling("claim", names, about)

    def _do_release(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._handling("release", names, about)

    def _do_assign(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._handling("assign", names, about)

    def _do_reassign(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._handling("reassign", names, about)

    def _do_ask(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._handling("ask", names, about)

    def _do_answer(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._handling("answer", names, about)

    def _do_withdraw(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        return self._handling("withdraw", names, about)

    def _do_delegate(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        self._count += 1
        by, to, span = names
        until = self._now + duration(span)
        made = inbox.delegate_envelope(by, to, since=self._now, until=until, id=f"d{self._count}", now=self._now)
        return self._send(made)

    def _handling(self, act: HandlingAct, names: list[str], about: dict[str, str]) -> list[str] | None:
        self._count += 1
        key, group, *text = names
        by = about.get("by", "ann")
        made = inbox.handling_envelope(
            self._stage.release.name,
            key,
            self._permitted_by(key) if act == "withdraw" else self._review(key).id,
            act,
            group=group,
            id=f"h{self._count}",
            principal=by,
            now=self._now,
            to=about.get("to", ""),
            text=" ".join(text),
            delegation=self._delegation(by, group, about),
        )
        return self._send(made)

    def _permitted_by(self, key: str) -> str:
        """The review that is open, or the one that permitted what has not started."""
        record = self._record(key)
        permitted = [str(one.review).rpartition("/")[2] for one in record.effects.values() if one.review]
        return (list(record.reviews) or permitted or [""])[-1]

    def _delegation(self, by: str, group: str, about: dict[str, str]) -> Delegation | None:
        if "for" not in about:
            return None
        name = self._stage.release.name
        return delegation(self._stage.store, by=about["for"], to=by, automation=name, group=group, now=self._now)

    def _verdict(
        self,
        verdict: Literal["approve", "reject", "edit", "propose"],
        names: list[str],
        args: dict[str, Any] | None,
        about: dict[str, str],
        action: str = "",
    ) -> list[str] | None:
        self._count += 1
        key, group = names
        review = self._review(key)
        by = about.get("by", "ann")
        made = inbox.verdict_envelope(
            self._stage.release.name,
            key,
            review.id,
            verdict,
            group=group,
            seen="changed since" if about.get("stale") else review.seen,
            args=args,
            comment="",
            id=f"v{self._count}",
            principal=by,
            now=self._now,
            action=action,
            delegation=self._delegation(by, group, about),
        )
        return self._send(made)

    def _do_resolve(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str] | None:
        self._count += 1
        key, action, outcome = names
        record, name = self._record(key), self._wire.action_name(action)
        # A doubt before a contradiction: the words are the same for both.
        found = [one.id for one in record.effects.values() if one.action == name]
        found += [one.id for one in record.tasks.values() if one.kind == "contradiction" and one.action == name]
        if not found:
            raise ScenarioError(f"{action} of {key} is not on its way.")
        made = inbox.resolve_envelope(
            self._stage.release.name,
            key,
            found[0],
            cast("Literal['happened', 'not_happened']", outcome),
            result=None,
            comment="",
            id=f"r{self._count}",
            principal=about.get("by", "ann"),
            now=self._now,
        )
        return self._send(made)

    def _do_wait(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> None:
        self._stage.advance(duration(" ".join(names)))

    def _do_pause(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str]:
        paused = control.pause(self._stage.store, [control.scope(name) for name in names])
        self._stage.worker.look_everywhere()
        return [f"started before: {one.case.key} {one.action} ({one.status})" for one in paused.started]

    def _do_resume(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> None:
        control.resume(self._stage.store, [control.scope(name) for name in names])
        self._stage.worker.look_everywhere()

    def _do_dies(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> None:
        self._stage.dies_after.add(self._wire.action_name(names[-1]))

    def _do_valid(self, names: list[str], data: dict[str, Any], about: dict[str, str]) -> list[str]:
        lines = self.news()
        for row in valid_actions(self._record(names[0]), self._stage.program):
            why = "valid" if row.valid else f"not valid: {row.why}" + _by(row.forbidden_by)
            lines.append(f"{row.action}: {why}")
        return lines

    # --- what they need

    def _send(self, made: Envelope) -> list[str] | None:
        self._cases.setdefault(made.case, 0)
        receipt = self._stage.accept(made)[0]
        name = type(receipt).__name__
        return None if name == "Accepted" else [f"{made.case.key} {made.id}: {name.lower()}"]

    def _record(self, key: str) -> Any:
        record = self._stage.store.case(CaseId(self._stage.release.name, key))
        if record is None:
            raise ScenarioError(f"nobody has heard of {key}.")
        return record

    def _review(self, key: str) -> Review:
        reviews: dict[str, Review] = self._record(key).reviews
        if not reviews:
            raise ScenarioError(f"no review of {key} is open.")
        return list(reviews.values())[-1]

    # --- what came of it

    def news(self) -> list[str]:
        """What the ledger holds since the last time, in the order of the moments, and what the outside has booked."""
        found: list[tuple[int, str, int, Entry]] = []
        for case, seen in self._cases.items():
            entries = self._stage.entries(case)
            found += [(entry.at, case.key, entry.version, entry) for entry in entries[seen:]]
            self._cases[case] = len(entries)
        lines = [line for *_, entry in sorted(found, key=lambda one: one[:3]) for line in _told(entry)]
        books = self._stage.outside.books
        lines += [f"outside: {one.case.key} {_called(one.action, one.args)}" for one in books[self._booked :]]
        self._booked = len(books)
        return lines


def _speechless(release: Release) -> Release:
    effects = release.effects
    return replace(release, effects=Effects(effects.performers, effects.checkers, effects.fences, {}))


def _plain(data: dict[str, str]) -> dict[str, Any]:
    words: dict[str, Any] = {"true": True, "false": False, "null": None}
    return {name: words.get(value, value) for name, value in data.items()}


def _told(entry: Entry) -> Iterator[str]:
    status = entry.delta.get("+", {}).get("status")
    flags: Sequence[str] = entry.delta.get("+", {}).get("flags", ())
    moved = f": now {status}" if status else ""
    yield f"{entry.key}.{entry.version} {_cause(entry)}{moved}" + (" (late)" if entry.late else "")
    for name in entry.asked:
        yield f"{INDENT}asks {name}"
    for decision in entry.decisions:
        yield f"{INDENT}{_decided(decision)}"
    for note in entry.notes:
        yield f"{INDENT}note: {note}"
    for flag in flags[-1:]:
        yield f"{INDENT}flag: {flag}"


def _cause(entry: Entry) -> str:
    message = entry.cause
    if message is None:
        return entry.kind
    kind = "" if entry.kind == "turn" else f"{entry.kind}: "
    return kind + _message(message)


def _message(message: Envelope) -> str:
    match message.body:
        case EventBody(type=type_):
            return f"event {type_} {message.id} from {message.source}"
        case CallBody(action=action, args=args):
            return f"call of {_called(action, args)} by {message.principal}"
        case AnswerBody(question=question, advisor=advisor, outcome=Silence(why=why)):
            return f"{advisor} says nothing to {question}: {why}"
        case AnswerBody(question=question, advisor=advisor, outcome=Answer(value=value)):
            return f"{advisor} answers {question}: {_said(value)}"
        case StartBody(command=command, attempt=attempt):
            return f"start of {command}" + (f", attempt {attempt}" if attempt > 1 else "")
        case ResultBody(command=command, phase=phase, outcome=outcome):
            return f"{phase} of {command}: {outcome.replace('_', ' ')}"
        case TimerBody(name=name):
            return f"timer {name}"
        case WakeBody(what=what, about=about):
            return f"deadline of {what} {about}"
        case VerdictBody(verdict=verdict, review=review, group=group, delegation=under, action=action, args=args):
            what = f" {_called(action, args or {})}" if action else ""
            return f"{message.principal}{_for(under)} of {group}: {verdict}{what} {review}"
        case HandlingBody(act=act, review=review, group=group, to=to, text=text, delegation=under):
            more = f" to {to}" if to else f": {text}" if text else ""
            return f"{message.principal}{_for(under)} of {group}: {act} {review}{more}"
        case DelegateBody(to=to):
            return f"{message.principal} delegates to {to}"
        case ResolveBody(command=command, outcome=outcome):
            return f"{message.principal} says of {command}: {outcome.replace('_', ' ')}"
        case BudgetReplyBody(reservation=reservation, granted=granted, room=room):
            said = "granted" if granted else "has room again" if room else "exhausted"
            return f"budget {reservation.rpartition('/')[2]}: {said}"
        case body:
            return f"{type(body).__name__.removesuffix('Body').lower()} from {message.source.partition(':')[0]}"


def _for(under: Delegation | None) -> str:
    return f" for {under.by}" if under else ""


def _said(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{name}={one}" for name, one in cast("dict[str, Any]", value).items())


def _decided(decision: Decision) -> str:
    name = decision.id.rpartition("/")[2]
    verdict: str = decision.verdict
    if decision.awaiting:
        verdict += f", awaiting {decision.awaiting}"
    groups = ", ".join(f"{one.name}*{one.approvals}" if one.approvals > 1 else one.name for one in decision.groups)
    by = ", ".join(decision.decided_by)
    forbidden = decision.flow.forbidden_by if decision.flow else ""
    why = f": {decision.why}" if decision.why else ""
    to = f" to {groups}" if groups else ""
    called = _called(decision.proposal.action or "question", decision.proposal.args)
    if made_good := decision.proposal.compensates:
        called += f" to make good {made_good.rpartition('/')[2]}"
    return f"decision {name} {called}: {verdict}{to} by {by}{why}{_by(forbidden)}"


def _called(action: str, args: dict[str, Any]) -> str:
    return f"{action}({', '.join(f'{name}={value}' for name, value in args.items())})"


def _by(decision: str) -> str:
    return f" [{decision.rpartition('/')[2]}]" if decision else ""


# --- files


def compare(path: Path, *, automation: Path | None = None) -> str:
    """How the file differs from what really comes of it; empty when it does not."""
    text = path.read_text(encoding="utf-8")
    played = play(text, path.parent, automation=automation)
    lines = difflib.unified_diff(text.splitlines(), played.splitlines(), str(path), "as it is now", lineterm="")
    return "\n".join(lines)


def regenerate(path: Path, *, automation: Path | None = None) -> bool:
    """Write what really comes of it into the file. True when that changed it."""
    text = path.read_text(encoding="utf-8")
    played = play(text, path.parent, automation=automation)
    if played != text:
        path.write_text(played, encoding="utf-8")
    return played != text


def main() -> int:
    """Exit code 1 when a file differs (or cannot be played)."""
    parser = argparse.ArgumentParser(prog="python -m interlock.testing.scenarios", description="Play scenarios.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--regenerate", action="store_true", help="write what comes of each block anew")
    parser.add_argument("--automation", type=Path, help="folder of the automation, for files that name none")
    given = parser.parse_args()
    failed = False
    for path in cast("list[Path]", given.files):
        try:
            if given.regenerate:
                changed = regenerate(path, automation=given.automation)
                sys.stdout.write(f"{path}: {'changed' if changed else 'as it was'}\n")
            elif difference := compare(path, automation=given.automation):
                failed = True
                sys.stdout.write(difference + "\n")
        except (ScenarioError, Refused) as error:
            failed = True
            sys.stdout.write(f"{path}: {error}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
