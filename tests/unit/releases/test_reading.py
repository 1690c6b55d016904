"""release.toml: every mistake with its line, and amounts as exact integers of their argument's scale."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from interlock.automation.policyschema import derive_schema
from interlock.releases import ReleaseSpec, load_folder
from interlock.releases.reading import read_release
from interlock.releases.tables import micros
from interlock.vocabulary.errors import Problem
from interlock.vocabulary.release import BudgetSpec, QuestionSpec

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CHEQUES = load_folder(EXAMPLES / "cheques").definition
ITOPS = load_folder(EXAMPLES / "itops").definition
QUESTION = '[questions.ReadAmount]\nchain = ["svm"]\n'


def read(text: str) -> tuple[ReleaseSpec, list[Problem]]:
    return read_release(QUESTION + text, CHEQUES, derive_schema(CHEQUES))


def test_the_cheques_release() -> None:
    spec = load_folder(EXAMPLES / "cheques").spec
    assert spec.questions["ReadAmount"] == QuestionSpec("ReadAmount", ("svm", "trees"), ("trees",), 2_000_000)
    assert {name: advisor.concurrency for name, advisor in spec.advisors.items()} == {"svm": 8, "trees": 8}
    assert spec.budgets == (
        BudgetSpec("payout", ("pay",), 10_000_000, 10_000_000, 2, "proposal.amount", per="day", zone="Europe/Berlin"),
    )
    (vouched,) = spec.certificates["pay"]
    assert (vouched.rung, vouched.amount, vouched.scale) == (900_000, 500_000, 2)
    end_of_2027 = datetime(2028, 1, 1, tzinfo=UTC)
    assert vouched.until == int(end_of_2027.timestamp()) * 1_000_000
    assert spec.certificates["return_unpaid"][0].rung is None
    assert spec.breakers["svm"] == "advisor:svm"
    assert spec.breakers["pay"] == "action:pay"


def test_the_other_examples() -> None:
    refunds, itops = load_folder(EXAMPLES / "refunds").spec, load_folder(EXAMPLES / "itops").spec
    assert refunds.breakers["payments"] == refunds.effects["refund"].dependency == "payments"
    assert refunds.advisors["large"].kind == "chat"
    assert refunds.advisors["large"].options["key_env"] == "LLM_KEY"
    assert {budget.name: (budget.auto, budget.per, budget.by) for budget in refunds.budgets} == {
        "refunds_day": (500_000, "day", ""),
        "refunds_per_ticket": (3, "rolling", "case.order.id"),
    }
    assert itops.autonomy_off == {"restart_service", "read_logs", "page_on_call"}
    assert itops.gateway_actions == {"restart_service", "read_logs", "drop_partition"}
    assert itops.mcp["unlisted"] == "hide"


def test_certificates_are_strictest_first() -> None:
    terms = 'by = "ann"\nuntil = 2027-12-31\nreason = "x"\n'
    spec, problems = read(
        f"[[autonomy.pay.vouched]]\n{terms}[[autonomy.pay.vouched]]\nrung = 0.9\nmax = 500\n{terms}"
        f"[[autonomy.pay.vouched]]\nrung = 0.9\nmax = 100\n{terms}[[autonomy.pay.vouched]]\nrung = 0.99\n{terms}"
    )
    assert problems == []
    found = [(one.rung, one.amount) for one in spec.certificates["pay"]]
    assert found == [(990_000, None), (900_000, 10_000), (900_000, 50_000), (None, None)]
    assert len({one.id for one in spec.certificates["pay"]}) == 4


CHAT = '[advisors.svm]\nkind = "chat"\nbase_url = "https://a.example/v1"\nmodel = "m"\n'
STUB = '[advisors.svm]\nkind = "stub"\nvalue = { amount = "5" }\n'
BUDGET = '[budgets.x]\nfor = "pay"\nsum = "proposal.amount"\nmax = 5\n'
VOUCHED = '[[autonomy.pay.vouched]]\nby = "a"\nreason = "b"\nuntil = 2027-12-31\n'

# text after the question, line of the problem, what is said
MISTAKES = [
    ("[budgets\n", 3, "this is not TOML"),
    ("[budgts.x]\n", 3, "unknown key `budgts`. Did you mean `budgets`?"),
    ('[questions.ReadAmout]\nchain = ["svm"]\n', 3, "there is no question ReadAmout. Did you mean `ReadAmount`?"),
    ("[advisors.svn]\n", 3, "no question asks svn. Did you mean `svm`?"),
    ("[advisors.svm]\nconcurency = 8\n", 4, "unknown key `concurency`. Did you mean `concurrency`?"),
    ('[advisors.svm]\nconcurrency = "8"\n', 4, "`concurrency` must be a whole number"),
    ('[advisors.svm]\nkind = "chatty"\n', 4, "`kind` is 'chatty'. It is one of code, chat, pydantic-ai, http, stub"),
    ('[advisors.svm]\nkind = "chat"\nmodel = "m"\nbase_url = "u"\n', 3, "a chat advisor needs `prompt`"),
    (CHAT + 'key = "sk-live"\n', 7, "`key` is no reference. A key stands in no file of a release"),
    (CHAT + 'key = "env:A"\nkey_env = "A"\n', 7, "`key` and `key_env` both name the key"),
    (CHAT + 'headers = { Api-Key = "sk-live" }\n', 7, "`Api-Key` is no reference"),
    (CHAT + 'headers = { "X Y" = "a" }\n', 7, "this cannot stand in a header"),
    (CHAT.replace("https://", "ftp://"), 5, "`base_url` is no address of a server"),
    (CHAT.replace("https://", "https://me:sk-live@"), 5, "`base_url` holds a name or a password"),
    (CHAT + 'score = "logprobs"\n', 7, "`score` is 'logprobs'. It is one of none, logprob, stated, votes:5"),
    (CHAT + 'score = "votes"\n', 7, "`score` is 'votes'"),
    (CHAT + 'score = "votes:1"\n', 7, "Samples are 2 to 32"),
    (CHAT + 'score = "votes:5"\ntemperature = 0\n', 8, "samples at temperature 0 are one sample"),
    (CHAT + 'score = "given"\n', 7, "`score` is 'given'"),
    (CHAT + 'score = "classifier:svm"\n', 7, "there is no other advisor svm"),
    (CHAT + 'score = "verifier:x"\n[advisors.x]\nkind = "stub"\nvalue = 1\n', 7, "x is no model that could verify"),
    (CHAT + 'score_fields = ["amuont"]\n', 7, "amuont is no field of an answer to ReadAmount. Did you mean `amount`?"),
    (CHAT + "tries = 9\n", 7, "`tries` must be a whole number from 1 to 5"),
    (CHAT + 'structured = "xml"\n', 7, "`structured` is 'xml'. It is one of json_schema, json_object, none"),
    (CHAT + "price = { input = 1 }\n", 7, "a price has three parts"),
    (CHAT + "votes = 5\n", 7, "unknown key `votes`"),
    (STUB + "score = 2\n", 6, "`score` must be a number from 0 to 1"),
    (STUB + "delay = 5\n", 6, "`delay` must be a duration such as"),
    ('[advisors.svm]\nkind = "http"\n', 3, "an http advisor needs `url`"),
    ('[advisors.svm]\nkind = "pydantic-ai"\nprompt = "p"\n', 3, "a pydantic-ai advisor needs `model`"),
    ('[advisors.svm]\nkind = "pydantic-ai"\nscore = "logprob"\n', 5, "`score` is 'logprob'"),
    ('[advisors.svm]\nartefacts = ["weights.bin", "weights.bin"]\n', 4, "names something twice"),
    ("[effects.payy]\n", 3, "there is no action payy. Did you mean `pay`?"),
    ('[effects.pay]\ntimeout = "2 s"\n', 4, "`timeout` must be a duration such as"),
    ('[effects.pay]\ndependency = "svm"\n', 4, "two dependencies are called 'svm'"),
    ('[autonomy]\noff = ["pay"]\n', 4, "pay is irreversible: its autonomy cannot be off"),
    ("[autonomy.payy]\n", 3, "there is no action payy"),
    ("[autonomy.pay]\nrisk = 5\n", 4, "`risk` must be a number from 0 to 1"),
    ('[[autonomy.pay.vouched]]\nby = "a"\nuntil = 2027-12-31\n', 3, "a vouched certificate needs `reason`"),
    (VOUCHED + "max = 5.001\n", 7, "`max` has more than 2 decimal places"),
    (VOUCHED + 'max = 5\namount = "proposal.sum"\n', 8, "proposal.sum is no bounded number of pay"),
    (VOUCHED.replace("2027-12-31", '"2027-12-31"'), 6, "`until` must be a date without quotes"),
    (VOUCHED + VOUCHED + "limit = 1\n", 11, "unknown key `limit`"),
    (BUDGET.replace('"pay"', '"payy"'), 4, "there is no action payy"),
    (BUDGET.replace("max = 5", "max = -5"), 6, "`max` must be a number, 0 or more"),
    (BUDGET.replace("max = 5\n", ""), 3, "it has no `max`"),
    (BUDGET + "count = true\n", 3, "it sums a field or counts actions: one of the two"),
    (BUDGET.replace("proposal.amount", "proposal.amuont"), 5, "proposal.amuont is no bounded number of pay"),
    (BUDGET + "hard = 4\n", 7, "`hard` is below `max`"),
    (BUDGET + 'by = "case.nothing"\n', 7, "case.nothing is no single value that is known for pay"),
    (BUDGET + 'per = "fortnight"\n', 7, "'fortnight' is no window"),
    (BUDGET + 'per = "day Europe/Berlinn"\n', 7, "there is no time zone 'Europe/Berlinn'"),
    (BUDGET + 'on_exceeded = "ask"\n', 7, "`on_exceeded` is 'ask'"),
    ('[reviews.clearing]\nremnd = "4h"\n', 4, "unknown key `remnd`. Did you mean `remind`?"),
    ('[reviews.clearing]\nremind = ["4h", "soon"]\n', 4, "'soon' is no duration"),
    ('[reviews.clearing]\nexpires = "1h"\nremind = "4h"\n', 5, "after 4h the review has expired"),
    ('[reviews.clearing]\nreassign = {after = "4h"}\n', 4, "`reassign` needs when and to whom"),
    ('[reviews.clearing]\nescalate = {after = "9d", to = "board"}\n', 4, "by then the review has expired"),
    ('[reviews.clearing]\nescalate = {after = "4h", to = "clearing"}\n', 4, "clearing is asked already"),
    ('[reviews.clearing]\nreassign_to = "clearing"\n', 4, "clearing has its own reviews already"),
    ('[reviews.clearing]\nask = "Stoppd"\n', 4, "there is no event Stoppd"),
    ('[reviews.clearing]\nask = "StopPayment"\n', 4, "StopPayment has no field `question`"),
    ('[reviews.clearing]\nanswered_by = "Nobody"\n', 4, "there is no event Nobody"),
    ('[reviews.clearing]\nshow = ["box"]\n', 4, "'box' is nothing that a review has"),
    ('orphan_after = "soon"\n', 3, "unknown key `orphan_after`"),
]


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES)
def test_mistake(text: str, line: int, said: str) -> None:
    _, problems = read(text)
    assert "sk-live" not in str(problems), "a key that stands where it should not is not repeated"
    found = [problem for problem in problems if said in str(problem)]
    assert found, [str(problem) for problem in problems]
    assert (found[0].file, found[0].line) == ("release.toml", line)


def test_all_mistakes_at_once() -> None:
    _, problems = read("[advisors.svm]\nconcurency = 8\n" + BUDGET.replace("max = 5", "max = 0.001") + "[mcp]\n[x]\n")
    assert len(problems) == 3


def test_a_question_without_advisor_is_named() -> None:
    _, problems = read_release("", CHEQUES, derive_schema(CHEQUES))
    assert [problem.message for problem in problems] == ["question ReadAmount has no advisor in the release."]


def test_final_actions_have_no_cell() -> None:
    _, problems = read_release("[autonomy.drop_partition]\n", ITOPS, derive_schema(ITOPS))
    assert "is of class final" in problems[0].message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 500_000),
        ("2s", 2_000_000),
        ("1h30m", 5_400_000_000),
        ("90d", 7_776_000_000_000),
        ("1w", 604_800_000_000),
        ("5m", 300_000_000),
        ("", None),
        ("5", None),
        ("s", None),
        ("1.5h", None),
        ("2s1h", None),
    ],
)
def test_durations(text: str, expected: int | None) -> None:
    assert micros(text) == expected


def test_prompt_placeholders_are_fields_of_the_question(tmp_path: Path) -> None:
    import shutil

    from interlock.releases import check_folder

    folder = tmp_path / "refunds"
    shutil.copytree(EXAMPLES / "refunds", folder)
    (folder / "prompts" / "triage.md").write_text('Answer {{"x": 1}} to\n{message} of {custmer}, {order.total}\n')
    (problem,) = check_folder(folder)
    assert (problem.file, problem.line) == ("prompts/triage.md", 2)
    assert "{custmer} is no field of question Triage" in problem.message
    (folder / "prompts" / "triage.md").unlink()
    assert all("there is no file prompts/triage.md" in problem.message for problem in check_folder(folder))
