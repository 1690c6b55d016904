"""`interlock policy ...` on documents of its own: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.root import run

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

GOOD = """\
policy: p
schema:
  actions: {pay: {irreversible: true, args: {amount: decimal(2) 0..1000}}}
  case: {n: int 0..9}
params: {limit: 100.00}
rules:
  - {id: odd, when: case.n > 7, then: escalate, to: boss, reason: Odd.}
  - {id: small, when: proposal.amount <= limit, then: allow, reason: Small.}
default: {verdict: escalate, to: desk}
invariants:
  never_large: {never: allow, when: proposal.amount > 100}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD, encoding="utf-8")
    Path("wide.yaml").write_text(GOOD.replace("100.00", "150.00"), encoding="utf-8")
    Path("tight.yaml").write_text(GOOD.replace("100.00", "50.00"), encoding="utf-8")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run([*arguments])
    return code, capsys.readouterr().out


def data(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out = said(capsys, *arguments, "--json")
    return code, json.loads(out)


@pytest.mark.usefixtures("folder")
def test_prove_says_what_is_proved_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "policy", "prove", "good.yaml")
    assert code == 0
    assert "proved     never_large: never allowed for pay where proposal.amount > 100 (line 11)" in out
    assert out.rstrip().endswith("proved")


def test_check_tells_mistakes_and_remarks_of_an_automations_policy_in_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cheques"
    shutil.copytree(EXAMPLES / "cheques", folder)
    text = (folder / "policy.yaml").read_text(encoding="utf-8")
    text = text.replace("when: proposal.amount == 0", "when: proposal.amount > 99000000").replace(
        "when: case.frozen", "when: case.frosen"
    )
    (folder / "policy.yaml").write_text(text, encoding="utf-8")
    assert run(["policy", "check", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "this never holds" in said and "no field `frosen`" in said and "2 problems" in said


@pytest.mark.usefixtures("folder")
def test_what_fails_every_test_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    base = "cases:\n  base: {proposal: {action: pay, amount: 20}}\n  tests:\n"
    tests = [f"    - {{name: t{n}, expect: allow}}\n" for n in range(3)]
    odd = "    - {name: odd, with: {case.n: 8}, expect: allow}\n"
    Path("tested.yaml").write_text(GOOD + base + "".join([*tests, odd]), encoding="utf-8")
    code, out = said(capsys, "policy", "test", "tested.yaml")
    assert code == 1
    assert out.splitlines() == [
        "tested.yaml:15: t0: the rules for pay read `case.n`, which is missing (and so for 2 more tests)",
        "tested.yaml:18: odd: expected allow, got escalate:boss by odd",
        "p: 0 of 4 tests passed",
    ]


@pytest.mark.usefixtures("folder")
def test_prove_shows_the_input_that_breaks_an_invariant_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = data(capsys, "policy", "prove", "wide.yaml")
    assert code == 1 and told["ok"] is False
    (found,) = [one for one in told["findings"] if one["about"] == "invariant"]
    assert (found["standing"], found["name"], found["line"]) == ("refuted", "never_large", 11)
    assert found["example"] == {
        "action": "pay",
        "inputs": {"case.n": "0", "proposal.amount": "100.01"},
        "verdict": "allow",
        "by": ["small"],
    }
    code, out = said(capsys, "policy", "prove", "wide.yaml")
    assert code == 1 and "proposal.amount: 100.01" in out and "1 problem" in out


@pytest.mark.usefixtures("folder")
def test_diff_ends_with_0_only_where_nothing_differs_or_only_towards_the_stricter_and_that_is_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said(capsys, "policy", "diff", "good.yaml", "good.yaml") == (0, "They are the same policy.\n")
    code, out = said(capsys, "policy", "diff", "good.yaml", "tight.yaml")
    assert code == 1
    assert "pay: allow -> escalate (stricter)" in out
    assert "where proposal.amount is more than 50.00 and at most 100.00 and case.n is at most 7" in out
    assert run(["policy", "diff", "good.yaml", "tight.yaml", "--stricter"]) == 0
    assert run(["policy", "diff", "tight.yaml", "good.yaml", "--stricter"]) == 1
    capsys.readouterr()
    code, told = data(capsys, "policy", "diff", "good.yaml", "wide.yaml")
    assert code == 1 and told["recorded"] is None
    assert [(one["before"], one["after"]) for one in told["changes"]] == [("escalate", "allow")]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("arguments", [("prove", "good.yaml"), ("diff", "good.yaml", "wide.yaml")])
def test_without_the_solver_it_is_said_what_to_install(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)
    code, told = data(capsys, "policy", *arguments)
    assert code == 4
    assert told["error"]["code"] == "not_installed" and "pip install 'interlock[prove]'" in told["error"]["hint"]


@pytest.mark.usefixtures("folder")
def test_a_candidate_beside_an_automation_needs_no_schema_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "tickets"]) == 0
    today = Path("tickets/policy.yaml").read_text(encoding="utf-8")
    assert "schema:" not in today
    Path("tickets/tomorrow.yaml").write_text(today, encoding="utf-8")
    capsys.readouterr()
    code, out = said(capsys, "policy", "diff", "tickets", "tickets/tomorrow.yaml")
    assert (code, out) == (0, "They are the same policy.\n")
    code, told = data(capsys, "policy", "prove", "tickets")
    assert code == 0, told
    assert any("certificate" in one["text"] for one in told["findings"])


@pytest.mark.usefixtures("folder")
def test_what_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = data(capsys, "policy", "prove", "nowhere.yaml")
    assert code == 1 and "nowhere.yaml" in told["error"]["message"]
    assert run(["policy", "diff", "good.yaml", "wide.yaml", "--since", "7d"]) == 4


@pytest.mark.usefixtures("folder")
def test_check_ends_with_1_for_what_cannot_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "policy", "check", "good.yaml")[0] == 0
    Path("odd.yaml").write_text(GOOD.replace("case.n > 7", "case.n > 9"), encoding="utf-8")
    code, told = data(capsys, "policy", "check", "odd.yaml")
    assert code == 1 and not told["ok"]
    assert [(one["code"], one["line"], one["column"]) for one in told["remarks"]] == [
        ("unreachable", 7, 10),
        ("impossible", 7, 21),
    ]
    assert run(["policy", "check", "odd.yaml"]) == 1
    assert "case.n is int 0..9" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_fmt_writes_only_without_check(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("good.yaml")
    assert said(capsys, "policy", "fmt", "--check", "good.yaml")[0] == 1
    assert path.read_text(encoding="utf-8") == GOOD
    assert data(capsys, "policy", "fmt", "good.yaml") == (0, {"file": "good.yaml", "changed": True, "written": True})
    assert "{id: odd,   when: case.n > 7" in path.read_text(encoding="utf-8")
    assert said(capsys, "policy", "fmt", "--check", "good.yaml") == (0, "good.yaml: is in the layout\n")
    path.write_bytes(b"policy: \xff")
    assert data(capsys, "policy", "fmt", "good.yaml")[1]["error"]["code"] == "bad_text"


@pytest.mark.usefixtures("folder")
def test_explain_and_the_documents_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "policy", "explain", "good.yaml")
    assert code == 0 and "every action is asked of boss when the case's n is more than 7. Odd. (odd)" in out
    assert said(capsys, "policy", "explain", "good.yaml", "--table")[1].startswith("| rule | for | when |")
    assert data(capsys, "policy", "explain", "good.yaml")[1]["rows"][0]["then"] == "ask boss"
    code, told = data(capsys, "policy", "schema", "--document", "good.yaml")
    assert code == 0 and set(told["properties"]["rules"]["items"]["properties"]) >= {"id", "when", "then"}


@pytest.mark.usefixtures("folder")
def test_contrast_shows_the_smallest_change(capsys: pytest.CaptureFixture[str]) -> None:
    given = json.dumps({"proposal": {"amount": "120.00"}, "case": {"n": 3}})
    code, out = said(capsys, "policy", "contrast", "good.yaml", "--action", "pay", "--input", given)
    assert code == 0
    assert "allow with proposal.amount 100.00 instead of 120.00" in out
    code, told = data(capsys, "policy", "contrast", "good.yaml", "--action", "pay", "--input", given, "--to", "deny")
    assert code == 0 and told["contrasts"] == [] and told["complete"]
    assert data(capsys, "policy", "contrast", "good.yaml", "--action", "pay", "--input", "{}")[0] == 1
    assert run(["policy", "contrast", "good.yaml"]) == 2
    assert run(["policy", "contrast", "good.yaml", "--test", "no such"]) == 1


@pytest.mark.usefixtures("folder")
def test_checking_a_folder_warns_of_what_cannot_be_meant_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "tickets"]) == 0
    capsys.readouterr()
    code, told = data(capsys, "check", "tickets")
    assert code == 0 and told["automations"][0]["remarks"] == []
    path = Path("tickets/policy.yaml")
    text = path.read_text(encoding="utf-8")
    assert "when: proposal.amount > 0" in text
    path.write_text(text.replace("when: proposal.amount > 0", "when: proposal.amount >= 0"), encoding="utf-8")
    code, told = data(capsys, "check", "tickets")
    assert code == 0 and [one["code"] for one in told["automations"][0]["remarks"]][:1] == ["always"]
    assert run(["check", "tickets"]) == 0
    assert "warning: policy.yaml:" in capsys.readouterr().err
