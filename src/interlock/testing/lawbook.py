"""Laws: what must hold for every automation, tried on generated histories.

    test_laws = laws(__file__)

From the definition alone, and from one seed per history: events of every type in any order, twice, and with the opening
one last; answers of every score and silences; effects that happen, refuse and lose their replies; calls and reviews by
people; time. Then again with the worker killed, at many points of one history.

    1 pure      a reducer gives the same for the same, changes nothing it was given, touches no file, socket or process
    2 total     no message is set aside: no reducer raises, no move is undeclared, no state breaks its own type
    3 once      no effect happens twice outside: not by a crash, not by a lost reply, not by a duplicate
    4 decided   nothing happens outside without a decision that allowed it and a start, both recorded before
    5 budgets   spent and held never pass a limit
    6 fold      a case's state is what its ledger entries add up to, and the ledger's chain is unbroken
    7 durable   a crash at any point leaves nothing undone and nothing done twice

A failure names the seed; `laws(__file__, seeds=[that])` runs it alone.
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from interlock.automation.sampling import sample_plain
from interlock.automation.shape import Shape, shape_of
from interlock.kernel import fold
from interlock.kernel.accounts import used
from interlock.kernel.program import Data, MessageView, Propose, Reducers, Reduction, Rejected
from interlock.ledger import changes
from interlock.releases import Release, load_release
from interlock.runtime.inbox import sealed, verdict_envelope
from interlock.testing.outside import Conduct, Quiet
from interlock.testing.stage import Stage
from interlock.vocabulary import canonical
from interlock.vocabulary.advice import SCORE_ONE, Answer
from interlock.vocabulary.entry import GENESIS, chain
from interlock.vocabulary.events import CallBody, Envelope, EventBody
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.release import Certificate

HISTORIES = 12
CRASHES = 24
"""How much one run of the laws tries: a second or two for a small automation."""

FOREVER = 4_000_000_000_000_000
HOUR = 3_600_000_000
DAY = 24 * HOUR

_FORBIDDEN = ("open", "socket.", "subprocess.", "os.", "shutil.", "urllib.", "ctypes.", "sqlite3.", "import")


class Broken(AssertionError):
    """A law does not hold. The text names the law, what broke it, and the seed."""


def laws(file: str | Path, *, seeds: Iterable[int] | None = None, crashes: int = CRASHES) -> Callable[[], None]:
    """A test function for the automation in this folder (or in the folder of this file).

    seeds     which histories are tried
    crashes   at how many points of one history the worker is killed
    """
    chosen = list(range(HISTORIES) if seeds is None else seeds)

    def test_laws() -> None:
        release = load_release(file)
        for seed in chosen:
            _history(release, seed)
        _crashes(release, crashes)

    return test_laws


# --- law 1: pure ------------------------------------------------------------------------------------------------------


_touched: list[str] = []
_watching = False
_hooked = False


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _watching and event.startswith(_FORBIDDEN):
        _touched.append(f"{event}{args[:1]!r}"[:120])


@contextmanager
def _watched() -> Generator[None]:
    """Notice what Python's audit events show of the outside."""
    global _watching, _hooked  # noqa: PLW0603 - an audit hook cannot be removed, only told to look away
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)
    _touched.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False


class PureReducers:
    """Runs every function twice on equal copies, the second time watched, and compares. Otherwise what it wraps."""

    def __init__(self, inner: Reducers) -> None:
        self._inner = inner

    def initial(self) -> tuple[Data, str, str]:
        return self._inner.initial()

    def current(self, state: Data, schema: str) -> tuple[Data, str]:
        return self._inner.current(state, schema)

    def has(self, kind: str, type: str) -> bool:
        return self._inner.has(kind, type)

    def reduce(self, state: Data, status: str, message: MessageView) -> Reduction:
        what = f"the reducer of {message.kind} {message.type}"
        return _twice(what, lambda given: self._inner.reduce(given, status, message), state)

    def action_args(self, action: str, args: Data) -> Data:
        return self._inner.action_args(action, args)

    def fallback(self, name: str, state: Data, status: str, action: str, args: Data) -> Propose:
        return _twice(f"fallback {name}", lambda given: self._inner.fallback(name, given, status, action, args), state)

    def facts(self, state: Data) -> Data:
        return self._inner.facts(state)


class Impure(Broken):
    """Law 1 does not hold."""


def _twice(what: str, run: Callable[[Data], Any], state: Data) -> Any:
    first_given, second_given = copy.deepcopy(state), copy.deepcopy(state)
    first = run(first_given)
    with _watched():
        second = run(second_given)
    if _touched:
        raise Impure(f"Law 1 (pure): {what} touches the outside: {', '.join(_touched[:3])}.")
    if first != second:
        raise Impure(f"Law 1 (pure): {what} gave two results for the same case and message: {first} and {second}.")
    if first_given != state:
        raise Impure(f"Law 1 (pure): {what} changed the stored state it was given, not only its own draft.")
    return first


# --- generated input --------------------------------------------------------------------------------------------------


class Maker:
    """Valid values of a shape, drawn from one seed: mostly near the simplest, sometimes at a bound."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def modest(self, shape: Shape) -> Any:
        """A value as an ordinary day has it: the simplest, with small numbers above nothing."""
        match shape["is"]:
            case "int":
                return max(int(shape.get("ge", 1)), min(int(shape.get("le", 1)), 1))
            case "decimal":
                low, high = Decimal(str(shape.get("ge", 1))), Decimal(str(shape.get("le", 1)))
                return str(max(low, min(high, Decimal(1))))
            case "record":
                fields = cast("Mapping[str, Any]", shape["fields"])
                return {name: self.modest(one["type"]) for name, one in fields.items() if "default" not in one}
            case "root" | "optional":
                return self.modest(shape["of"])
            case _:
                return sample_plain(shape)

    def value(self, shape: Shape) -> Any:
        rng = self._rng
        match shape["is"]:
            case "optional":
                return None if rng.random() < 0.3 else self.value(shape["of"])
            case "bool":
                return rng.random() < 0.5
            case "int":
                low, high = int(shape.get("ge", 0)), int(shape.get("le", 1000))
                return rng.choice([low, high, rng.randint(low, high), sample_plain(shape)])
            case "decimal":
                places = int(shape.get("decimal_places", 2))
                low, high = Decimal(str(shape.get("ge", 0))), Decimal(str(shape.get("le", 1000)))
                some = low + (high - low) * rng.randint(0, 1000) / 1000
                small = low + min(high - low, Decimal(rng.randint(1, 500)))
                drawn = rng.choice([low, some, small, small, small])
                return str(drawn.quantize(Decimal(1).scaleb(-places)))
            case "str":
                most = min(int(shape.get("max_length") or 12), 12)
                return "".join(rng.choice("abcdefgh") for _ in range(rng.randint(min(1, most), most)))
            case "enum":
                return rng.choice(list(shape["values"]))
            case "record":
                fields = cast("Mapping[str, Any]", shape["fields"])
                return {
                    name: self.value(one["type"])
                    for name, one in fields.items()
                    if "default" not in one or rng.random() < 0.5
                }
            case "union":
                return self.value(rng.choice(list(shape["of"])))
            case "root":
                return self.value(shape["of"])
            case _:
                return sample_plain(shape)


class Scene:
    """One stage with generated input; everything follows from the seed."""

    def __init__(self, release: Release, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.make = Maker(self.rng)
        self.stage = Stage(release, slots=4)
        self.stage.program = replace(release.program, reducers=PureReducers(release.program.reducers))
        self.release = release
        self._count = 0
        self._sent: list[Envelope] = []
        definition = release.loaded.definition
        final = {name for name, spec in release.program.actions.items() if spec.consequence == "final"}
        self.stage.grant(
            Certificate(f"laws-{name}-{kind}", name, "earned", "laws", "tries", FOREVER, rung)
            for name in definition.actions
            if name not in final
            for kind, rung in (("advice", 200_000), ("rules", None))
        )

    def event(self, type_: str, key: str) -> Envelope | None:
        """A valid event for this case; None when the type has checks that no shape shows."""
        wire, definition = self.release.loaded.wire, self.release.loaded.definition
        raw = self.make.value(shape_of(definition.events[type_].codec.schema))
        raw[definition.key] = key
        try:
            data, named = wire.event_data(type_, raw)
        except Rejected:
            return None
        self._count += 1
        now = self.stage.clock.now()
        happened = None if self.rng.random() < 0.7 else now - self.rng.randint(0, DAY)
        envelope = sealed(
            self.release.name,
            named,
            EventBody(type_, data),
            id=f"e{self._count}",
            source="laws",
            principal="laws",
            occurred_at=happened,
            now=now,
        )
        self._sent.append(envelope)
        return envelope

    def again(self) -> Envelope | None:
        """Something that was sent before, once more."""
        return self.rng.choice(self._sent) if self._sent else None

    def answers(self) -> None:
        """Decide for each advisor what it says from now on."""
        wire, definition = self.release.loaded.wire, self.release.loaded.definition
        for question, spec in self.release.program.questions.items():
            shared = self._answer(wire, definition, question)
            for advisor in dict.fromkeys((*spec.chain, *spec.also)):
                said = shared if self.rng.random() < 0.6 else self._answer(wire, definition, question)
                quiet = said is None or self.rng.random() < 0.15
                self.stage.outside.answers[question, advisor] = Quiet() if quiet or said is None else said

    def _answer(self, wire: Any, definition: Any, question: str) -> Answer | None:
        known = definition.questions[question]
        if known.answer is not None:
            raw = self.make.value(shape_of(known.answer.schema))
        else:
            name = self.rng.choice(sorted(known.actions))
            raw = {"action": name, **self.make.value(shape_of(definition.actions[name].codec.schema))}
        try:
            return Answer(wire.answer_value(question, raw), self.rng.choice([None, 0, 500_000, 990_000, SCORE_ONE]))
        except Rejected:
            return None

    def conduct(self, *, honest: bool = False) -> None:
        """Decide for each action how its outside behaves from now on."""
        for action in self.release.program.actions:
            mode = "happens" if honest else self.rng.choice(["happens", "happens", "happens", "refuses", "loses_reply"])
            self.stage.outside.conduct[action] = Conduct(cast("Any", mode), reason="in this history")

    def call(self, key: str) -> Envelope | None:
        """A person asks for an action."""
        wire, definition = self.release.loaded.wire, self.release.loaded.definition
        action = self.rng.choice(sorted(definition.actions))
        try:
            args = wire.call_args(action, self.make.value(shape_of(definition.actions[action].codec.schema)))
        except Rejected:
            return None
        self._count += 1
        return sealed(
            self.release.name,
            key,
            CallBody(action, args),
            id=f"c{self._count}",
            source="laws",
            principal=self.rng.choice(["ann", "bob"]),
            occurred_at=None,
            now=self.stage.clock.now(),
        )

    def verdict(self, key: str) -> Envelope | None:
        """A person's verdict on one of the case's open reviews."""
        record = self.stage.store.case(CaseId(self.release.name, key))
        if record is None or not record.reviews:
            return None
        review = self.rng.choice(list(record.reviews.values()))
        self._count += 1
        return verdict_envelope(
            self.release.name,
            key,
            review.id,
            "approve" if self.rng.random() < 0.7 else "reject",
            group=self.rng.choice(review.groups).name,
            seen=review.seen,
            args=None,
            comment="",
            id=f"v{self._count}",
            principal=self.rng.choice(["ann", "bob", "eve"]),
            now=self.stage.clock.now(),
        )


def _history(release: Release, seed: int) -> None:
    """One generated history, with a crash or two, judged by the laws."""
    scene = Scene(release, seed)
    try:
        rng, stage = scene.rng, scene.stage
        scene.answers()
        scene.conduct()
        keys = ["k1", "k1", "k2"]
        most = 4 if len(release.program.events) <= 3 else 2
        types = [type_ for type_ in sorted(release.program.events) for _ in range(rng.randint(1, most))]
        rng.shuffle(types)
        for type_ in types:
            key = rng.choice(keys)
            for envelope in (scene.event(type_, key), scene.again() if rng.random() < 0.3 else None):
                if envelope is not None:
                    stage.accept(envelope)
            _live(scene, key)
        for key in sorted(set(keys)):
            for envelope in (scene.verdict(key), scene.call(key), scene.verdict(key)):
                if envelope is not None:
                    stage.accept(envelope)
                    _live(scene, key)
        scene.conduct(honest=True)
        stage.advance(40 * DAY)
        judge(stage)
    except Impure as broken:
        raise Impure(f"{broken} (seed {seed})") from None
    except Broken as broken:
        raise Broken(f"{broken} (seed {seed})") from None
    finally:
        scene.stage.close()


def _live(scene: Scene, key: str) -> None:
    """Some of what may happen between two messages."""
    rng, stage = scene.rng, scene.stage
    drawn = rng.random()
    if drawn < 0.15:
        for _ in range(rng.randint(1, 20)):
            stage.tick()
        stage.crash()
    elif drawn < 0.25 and scene.release.program.actions:
        stage.dies_after.add(rng.choice(sorted(scene.release.program.actions)))
    elif drawn < 0.4:
        scene.answers()
        scene.conduct()
    elif drawn < 0.55:
        stage.advance(rng.choice([60_000_000, 3_600_000_000, DAY]))
    if drawn < 0.8:
        stage.settle()


# --- law 7: a crash at every point -----------------------------------------------------------------------------------


def _scripted(release: Release, crash_at: int | None) -> tuple[Stage, int]:
    """One honest history, the same every time, killed at this turn of the loop; and how many turns it took."""
    scene = Scene(release, 0)
    stage, wire, definition = scene.stage, release.loaded.wire, release.loaded.definition
    for question, spec in release.program.questions.items():
        known = definition.questions[question]
        shape = shape_of(known.answer.schema) if known.answer is not None else None
        raw = scene.make.modest(shape) if shape is not None else _first_action(definition, known)
        for advisor in dict.fromkeys((*spec.chain, *spec.also)):
            stage.outside.answers[question, advisor] = Answer(wire.answer_value(question, raw), SCORE_ONE)
    envelopes: list[Envelope] = []
    for type_ in sorted(release.program.events, key=lambda name: (name not in release.program.opening, name)):
        raw = cast("dict[str, Any]", scene.make.modest(shape_of(definition.events[type_].codec.schema)))
        data, key = wire.event_data(type_, {**raw, definition.key: "k1"})
        now = stage.clock.now()
        envelopes.append(
            sealed(
                release.name,
                key,
                EventBody(type_, data),
                id=type_,
                source="laws",
                principal="laws",
                occurred_at=None,
                now=now,
            )
        )
    turns = 0
    for envelope in envelopes:
        stage.accept(envelope)
        while True:
            if turns == crash_at:
                stage.crash()
            turns += 1
            if not stage.tick():
                break
        # What a crash interrupted is tried again after a while. The next event comes after that, as it does where
        # nothing crashed: which of the two comes first is no matter of durability, and may rightly change the end.
        stage.advance(HOUR)
    stage.advance(2 * DAY)
    return stage, turns


def _first_action(definition: Any, known: Any) -> dict[str, Any]:
    name = sorted(known.actions)[0]
    return {"action": name, **sample_plain(shape_of(definition.actions[name].codec.schema))}


def _crashes(release: Release, crashes: int) -> None:
    stage, turns = _scripted(release, None)
    try:
        judge(stage)
        expected = sorted((one.case, one.action, canonical.encode(one.args)) for one in stage.outside.books)
        statuses = _statuses(stage)
    finally:
        stage.close()
    step = max(1, turns // max(1, crashes))
    for at in range(0, turns, step):
        stage, _ = _scripted(release, at)
        try:
            judge(stage)
            found = sorted((one.case, one.action, canonical.encode(one.args)) for one in stage.outside.books)
            doubts = _doubts(stage)
            if doubts:
                # An effect of kind `once` rightly waits for a person; what follows from it waits, too.
                continue
            if found != expected or _statuses(stage) != statuses:
                raise Broken(
                    f"Law 7 (durable): with a crash at turn {at} the outside has {[one[1] for one in found]}, "
                    f"without one {[one[1] for one in expected]}; cases end as {_statuses(stage)}, not {statuses}."
                )
        finally:
            stage.close()


def _statuses(stage: Stage) -> dict[str, str]:
    found = stage.store.cases(automation=stage.release.name, status=None, after=None, limit=1000)
    return {record.key: record.status for record in found}


def _doubts(stage: Stage) -> list[str]:
    found = stage.store.cases(automation=stage.release.name, status=None, after=None, limit=1000)
    return [e.action for record in found for e in record.effects.values() if e.status == "in_doubt"]


# --- judging a history ------------------------------------------------------------------------------------------------


def judge(stage: Stage) -> None:
    """Laws 2 to 6 on what the store holds and the outside's books say. Raises Broken."""
    _total(stage)
    _once(stage)
    _decided(stage)
    _budgets(stage)
    _folds(stage)


def _total(stage: Stage) -> None:
    for one in stage.store.quarantine():
        if "Impure" in one.why or "Law 1" in one.why:
            raise Impure(one.why.partition(": ")[2] or one.why)
        if one.blocks:
            raise Broken(f"Law 2 (total): {one.envelope.body} was set aside: {one.why}")


def _once(stage: Stage) -> None:
    effects: dict[str, int] = {}
    for one in stage.outside.books:
        effects[one.effect] = effects.get(one.effect, 0) + 1
        if effects[one.effect] > 1:
            raise Broken(f"Law 3 (once): {one.action} of {one.case} happened {effects[one.effect]} times outside.")
    for name, spec in stage.program.actions.items():
        cases = [one.case for one in stage.outside.books if one.action == name]
        if spec.once_per_case and len(set(cases)) != len(cases):
            raise Broken(f"Law 3 (once): {name} is allowed once per case and happened more often: {cases}.")


def _decided(stage: Stage) -> None:
    for one in stage.outside.books:
        allowed = started = False
        for entry in stage.entries(one.case):
            for decision in entry.decisions:
                if decision.verdict == "allow" and not decision.awaiting and decision.effect == one.effect:
                    allowed = allowed or canonical.encode(decision.proposal.args) == canonical.encode(one.args)
            effect = changes.effects(entry.delta).get(one.effect.rpartition("/")[2], {})
            if effect.get("+", {}).get("status") == "started":
                started = started or allowed
        if not started:
            raise Broken(
                f"Law 4 (decided): {one.action} of {one.case} happened without a decision and start before it."
            )


def _budgets(stage: Stage) -> None:
    limits = {budget.name: budget.hard for budget in stage.program.budgets}
    for record in stage.store.cases(automation=BUDGETS, status=None, after=None, limit=10_000):
        name = record.key.split("|")[1]
        # What the outside used beyond what was decided is recorded as an overrun; no decision took it.
        taken = used(record.state) + record.state["held_sum"] - record.state["overrun"]
        if name in limits and taken > limits[name]:
            raise Broken(f"Law 5 (budgets): {record.key} has {taken} spent and held, above its limit {limits[name]}.")


def _folds(stage: Stage) -> None:
    for slot, (newest, head) in stage.store.heads().items():
        expected, after = GENESIS, 0
        folded: dict[CaseId, dict[str, Any]] = {}
        while after < newest:
            for entry, body, hash_ in stage.store.ledger(slot, after=after, limit=1000):
                expected = chain(expected, body)
                after = entry.lsn
                if hash_ != expected:
                    raise Broken(f"Law 6 (fold): the ledger's chain is broken at {slot}/{entry.lsn}.")
                case = CaseId(entry.automation, entry.key)
                plain = folded.get(case) or {"automation": case.automation, "key": case.key}
                folded[case] = fold.apply(plain, canonical.decode(canonical.encode(entry.delta)))
        if expected != head and newest:
            raise Broken(f"Law 6 (fold): slot {slot} has another head than its newest entry.")
        for case, plain in folded.items():
            record = stage.store.case(case)
            if record is None or canonical.encode(fold.record(plain)) != canonical.encode(record):
                raise Broken(f"Law 6 (fold): {case} is not what its ledger entries add up to.")
