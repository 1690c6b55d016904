"""Every mistake of PROGRAMMING 2.3 is found, with its file, its line and what to write instead; all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.releases import check_folder, load_release
from interlock.vocabulary.errors import DefinitionErrors
from tests.unit.automation.written import AUTOMATION, line_of, write

A = "automation.py"

# name: (old text, new text, what is said, the text on the line it is said of)
MISTAKES: dict[str, tuple[str, str, str, str]] = {
    "parameter without annotation": (
        "def opened(case: Ticket, event: Opened)",
        "def opened(case: Ticket, event)",
        "parameter `event` of reducer opened has no annotation",
        "def opened(",
    ),
    "first parameter is not the case": (
        "def opened(case: Ticket, event: Opened)",
        "def opened(case: int, event: Opened)",
        "first parameter of reducer opened is not the case",
        "def opened(",
    ),
    "not a message": (
        "def opened(case: Ticket, event: Opened)",
        "def opened(case: Ticket, event: Pay)",
        "`event` of reducer opened is no message",
        "def opened(",
    ),
    "two reducers for one message": (
        "def nudged(case: Ticket, timer: Nudge)",
        "def nudged(case: Ticket, timer: Opened)",
        "reducers opened and nudged both take Opened",
        "def nudged(",
    ),
    "async reducer": ("def nudged(", "async def nudged(", "reducer nudged is async", "async def nudged("),
    "generator reducer": (
        "    return after(timedelta(hours=1), Nudge())",
        "    yield after(timedelta(hours=1), Nudge())",
        "reducer unanswered is a generator",
        "def unanswered(",
    ),
    "event without the key field": (
        "    ticket: Name\n    total: Money\n",
        "    total: Money\n",
        "event Opened has no field `ticket`",
        "class Opened(",
    ),
    "no event opens a case": ("Event, opens=True", "Event", "no event opens a case", "app = Automation("),
    "unknown status": ('to=("done",)', 'to=("don",)', "leads to 'don', which is no status", '"open": status('),
    "unreachable status": (
        '    "open": status(Pay, to=("done",)),',
        '    "open": status(Pay),',
        "status 'done' cannot be reached from 'open'",
        '"done": status()',
    ),
    "status without a row": ('    "done": status(),\n', "", "status 'done' has no row in the flow", "status: Status"),
    "row without a status": (
        'Literal["open", "done"]',
        'Literal["open"]',
        "the flow has a row for 'done', which is no status of Ticket",
        '"done": status()',
    ),
    "action in no status": ("status(Pay, to", "status(to", "action Pay is valid in no status", "class Pay("),
    "reversible without undo": (
        '@action(reversible=False, kind="once")',
        '@action(reversible=True, kind="once")',
        "Pay is reversible but names no undo",
        "class Pay(",
    ),
    "undo of an irreversible action": (
        '@action(reversible=False, kind="once")',
        '@action(reversible=False, kind="once", undo="nothing")',
        "Pay is irreversible and names an undo",
        "class Pay(",
    ),
    "unknown kind": ('kind="once"', 'kind="twice"', "Pay has the unknown kind 'twice'", "class Pay("),
    "undecorated action": (
        '@action(reversible=False, kind="once")\n',
        "",
        "action Pay does not say what it is like",
        "class Pay(",
    ),
    "key_valid_for of another kind": (
        'kind="once"',
        'kind="once", key_valid_for=timedelta(days=1)',
        "key_valid_for of Pay means nothing for kind 'once'",
        "class Pay(",
    ),
    "a doubt's distances that shrink": (
        'kind="once"',
        'kind="once", in_doubt=InDoubt(first=timedelta(hours=2), longest=timedelta(hours=1))',
        "in_doubt of Pay: the longest distance is shorter than the first",
        "class Pay(",
    ),
    "a doubt looked into for ever": (
        'kind="once"',
        'kind="once", in_doubt=InDoubt(probes=100_000)',
        "in_doubt of Pay: 100000 probes",
        "class Pay(",
    ),
    "a doubt that is something else": (
        'kind="once"',
        'kind="once", in_doubt="operations"',
        "in_doubt of Pay is no InDoubt",
        "class Pay(",
    ),
    "checkable without checker": (
        'kind="once"',
        'kind="checkable"',
        "action Pay is checkable but has no checker",
        "class Pay(",
    ),
    "field named meta": (
        "class Opened(Event, opens=True):\n",
        "class Opened(Event, opens=True):\n    meta: Name\n",
        "field `meta` of Opened",
        "    meta: Name",
    ),
    "case field named like a fact": (
        "    total: Money | None = None",
        "    total: Money | None = None\n    in_doubt: bool = False",
        "field `in_doubt` of Ticket has the name of a fact",
        "in_doubt: bool",
    ),
    "argument named like a fact": (
        "class Pay(Action[None]):\n",
        "class Pay(Action[None]):\n    score: Money\n",
        "argument `score` of Pay has the name of a fact of every proposal",
        "    score: Money",
    ),
    "case field without default": (
        "    total: Money | None = None",
        "    total: Money",
        "Ticket.total has no default",
        "    total: Money",
    ),
    "no status field": ('    status: Status = "open"\n', "", "Ticket has no field `status`", "class Ticket("),
    "status is no Literal": (
        "    status: Status =",
        "    status: str =",
        "Ticket.status is not a Literal",
        "status: str",
    ),
    "type that cannot be stored": (
        "    total: Money | None = None",
        "    total: Money | None = None\n    raw: bytes = b''",
        "`bytes` (use Picture or Document) has no stored form",
        "raw: bytes",
    ),
    "unbounded container": (
        "    total: Money | None = None",
        "    total: Money | None = None\n    raw: dict = {}",
        "has no stored form",
        "raw: dict",
    ),
    "automation name": ('Automation("tickets"', 'Automation("tick.ets"', "name 'tick.ets' is not allowed", "app = "),
    "fallback without action": (
        "@app.on\ndef paid",
        "@app.fallback\ndef instead(case: Ticket, refused: Opened) -> Pay:\n    ...\n\n\n@app.on\ndef paid",
        "`refused` of fallback instead is no action",
        "def instead(",
    ),
    "fallback that does not say what it gives": (
        "@app.on\ndef paid",
        "@app.fallback\ndef instead(case: Ticket, refused: Pay):\n    ...\n\n\n@app.on\ndef paid",
        "fallback instead does not say which action it returns",
        "def instead(",
    ),
    "upcaster of nothing stored": (
        "@app.on\ndef paid",
        "@app.upcast\ndef up(old: int) -> Ticket:\n    return Ticket()\n\n\n@app.on\ndef paid",
        "`old` of upcaster up is no type of a stored value",
        "def up(",
    ),
    "syntax": ("-> Requests:\n    if case", "-> Requests\n    if case", "expected ':'", "def consider("),
    "failing import": ("from typing import Literal", "from typing import Litteral", "ImportError", "Litteral"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(tmp_path: Path, name: str) -> None:
    old, new, said, where = MISTAKES[name]
    folder = write(tmp_path / "tickets", {A: (old, new)})
    problems = check_folder(folder)
    found = [problem for problem in problems if said in problem.message]
    assert found, [str(problem) for problem in problems]
    assert (found[0].file, found[0].line) == (A, line_of(folder, A, where))


def test_the_unchanged_automation_is_fine(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    assert check_folder(folder) == ()
    assert load_release(folder).name == "tickets"


def test_all_at_once(tmp_path: Path) -> None:
    text = AUTOMATION.replace("Event, opens=True", "Event").replace("def nudged(", "async def nudged(")
    text = text.replace('kind="once"', 'kind="twice"')
    folder = write(tmp_path / "tickets", automation=text)
    with pytest.raises(DefinitionErrors) as raised:
        load_release(folder)
    lines = [problem.line for problem in raised.value.problems]
    assert len(lines) >= 3
    assert lines == sorted(lines)
    assert all(problem.suggestion for problem in raised.value.problems)


EFFECT_MISTAKES = {
    "no performer": ("effects.py", "@Pay.performer\n", "", A, "action Pay has no performer"),
    "another result": (
        "effects.py",
        "-> None:\n    return None",
        "-> int:\n    return 1",
        "effects.py",
        "performer pay returns int, but Pay results in None",
    ),
    "for another action": (
        "effects.py",
        "async def pay(args: Pay",
        "async def pay(args: int",
        "effects.py",
        "performer pay is for Pay but takes int",
    ),
    "fence of a kind that has none": (
        "effects.py",
        "@Pay.performer",
        "@Pay.fence\nasync def fence(args: Pay, key: str) -> None: ...\n\n\n@Pay.performer",
        "effects.py",
        "Pay is once, so its fence would never be asked",
    ),
    "schedule without a checker": (
        A,
        'kind="once")',
        'kind="once", in_doubt=InDoubt(probes=3))',
        A,
        "the schedule of in_doubt of Pay means nothing: it has no checker",
    ),
    "time to settle without a checker": (
        A,
        'kind="once")',
        'kind="once", settle_after=timedelta(minutes=1))',
        A,
        "settle_after of Pay means nothing: it has no checker",
    ),
    "two performers": (
        "effects.py",
        "@Pay.performer",
        "@Pay.performer\nasync def pay2(args: Pay, key: str) -> None: ...\n\n\n@Pay.performer",
        "effects.py",
        "there are two performers for pay",
    ),
    "advisor nobody asks for by that name": (
        "advisors.py",
        '"clerk"',
        '"klerk"',
        "release.toml",
        "question Amount asks clerk, but no code answers it under that name",
    ),
    "advisor of another answer": (
        "advisors.py",
        "-> Advice[Decimal]",
        "-> Advice[int]",
        "advisors.py",
        "is answered with",
    ),
}


@pytest.mark.parametrize("name", EFFECT_MISTAKES)
def test_mistakes_in_effects_and_advisors(tmp_path: Path, name: str) -> None:
    file, old, new, where, said = EFFECT_MISTAKES[name]
    problems = check_folder(write(tmp_path / "tickets", {file: (old, new)}))
    assert [problem.file for problem in problems if said in problem.message] == [where], [str(p) for p in problems]


@pytest.mark.parametrize("missing", ["automation.py", "policy.yaml"])
def test_missing_file(tmp_path: Path, missing: str) -> None:
    folder = write(tmp_path / "tickets")
    (folder / missing).unlink()
    assert [problem.file for problem in check_folder(folder)] == [missing]


def test_missing_folder(tmp_path: Path) -> None:
    assert "no such folder" in check_folder(tmp_path / "nothing")[0].message


def test_a_policy_mistake_is_one_of_the_problems(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets", {"policy.yaml": ("proposal.amount", "proposal.amuont")})
    problems = check_folder(folder)
    assert [(problem.file, problem.line) for problem in problems] == [("policy.yaml", 3)]
    assert "amount" in str(problems[0])


def test_one_file_is_enough(tmp_path: Path) -> None:
    effects = "\n\n@Pay.performer\ndef pay(args: Pay, key: str) -> None: ...\n"
    advisors = (
        "\n\nfrom interlock import Advice\n\n\n@Amount.advisor('clerk')\n"
        "def clerk(question: Amount) -> Advice[Money]:\n    return Advice(question.total)\n"
    )
    folder = write(tmp_path / "tickets", automation=AUTOMATION + effects + advisors)
    (folder / "effects.py").unlink()
    (folder / "advisors.py").unlink()
    assert [str(problem) for problem in check_folder(folder)] == []
