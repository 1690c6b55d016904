"""A model behind a real socket, asked by the program as its user starts it: `interlock ask`, then a worker's life."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cli_session import interlock
from tests.modelserver import ModelServer, said, with_logprobs
from tests.unit.advisors.asking import REFUND, chat, write_release

SECRET = "sk-live-77d0c1e5"
DIRECT: dict[str, Any] = {"TICKETS_KEY": SECRET, "NO_PROXY": "127.0.0.1"}
EVENT = {"ticket": "t1", "message": "It came late.", "order": {"id": "o1", "total": "40.00"}}
RELEASE = """
[autonomy.refund]
[[autonomy.refund.vouched]]
rung = 0.5
by = "ann"
until = 2099-12-31
reason = "a try"
[budgets.a_day]
for = "refund"
sum = "proposal.amount"
max = 6.00
"""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    made = ModelServer()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path, server: ModelServer) -> Path:
    price = 'price = { input = 0.15, output = 0.60, currency = "EUR" }'
    model = chat(server.url, 'key = "env:TICKETS_KEY"', 'score = "logprob"', price)
    return write_release(tmp_path / "tickets", model + RELEASE, personal=True)


def answering(server: ModelServer, amount: str = "5.00", sure: float = 0.9) -> None:
    value = {**REFUND, "amount": float(amount)}
    server.play(with_logprobs({"value": value, "rationale": "It came late."}, {"refund": sure}))


def ask(folder: Path, *arguments: str, **env: Any) -> Any:
    return interlock(folder, "ask", *arguments, "--json", "--unseal", **{**DIRECT, **env}).data


def test_what_would_be_decided_is_shown_whole_and_nothing_of_it_is_done(folder: Path, server: ModelServer) -> None:
    answering(server)
    told = ask(folder, "Opened", "--data", json.dumps(EVENT))
    assert not (folder / "interlock.db").exists()
    triage, reading = told["asked"]
    assert (triage["advisor"], triage["value"]) == ("model", REFUND | {"amount": "5.0"})
    assert (triage["score"], triage["scored_by"], triage["rationale"]) == ("0.900000", "logprob", "It came late.")
    assert (reading["question"], reading["advisor"], reading["score"]) == ("Read", "fixed", "0.800000")
    (decision,) = told["decisions"]
    assert (decision["verdict"], decision["decided_by"], decision["source"]) == ("allow", ["small"], "advice")
    assert [(rule["id"], rule["result"]) for rule in decision["rules"]] == [
        ("too_much", "not_matched"), ("small", "matched"), ("talk", "not_matched"),
    ]  # fmt: skip
    assert decision["autonomy"]["outcome"] == "permitted" and decision["autonomy"]["certificate"]
    (budget,) = decision["budgets"]
    assert (budget["state"], budget["amount"], budget["limit"], budget["spent"]) == ("granted", "5.00", "6.00", "0.00")
    assert told["would_run"] == [{"action": "refund", "args": {"amount": "5.0", "reason": "late"}}]
    assert told["flags"] == ["It says 5."]
    assert told["usage"] == {"requests": 1, "input_tokens": 100, "output_tokens": 20, "cost": {"EUR": "0.000027"}}

    answering(server, sure=0.2)
    words = interlock(folder, "ask", "Opened", "--data", json.dumps(EVENT), **DIRECT).out
    assert "t1  would be opened; nothing of this is done" in words
    assert "Decision: needs a person by autonomy: refund(amount=5.0, reason=late)." in words
    assert "Score 0.200000 is below the rung 0.500000" in words
    assert "Review:" not in words, "it is not there to be looked at"
    assert "rationale: (sealed)" in words, "what is said about personal data is shown to whoever asks for it"


def test_a_model_that_fails_is_shown_as_silent_and_not_as_a_crash(folder: Path, server: ModelServer) -> None:
    server.play(said(None, message={"refusal": "I can't help with that."}))
    told = ask(folder, "Opened", "--data", json.dumps(EVENT))
    assert (told["asked"][0]["silent"], told["asked"][0]["detail"]) == ("declined", "the model refused to answer")
    assert told["decisions"] == []
    assert told["usage"]["cost"] == {"EUR": "0.000027"}, "a refusal is paid for"
    told = ask(folder, "Opened", "--data", json.dumps(EVENT), TICKETS_KEY="")
    assert told["asked"][0]["detail"] == "the environment variable TICKETS_KEY is not set"


def test_mistakes(folder: Path) -> None:
    for arguments, code, words in (
        (("Opend", "--data", "{}"), 1, "Did you mean Opened?"),
        (("Opened",), 4, "There is no database"),
        (("Opened", "--data", "{"), 1, "--data: Not JSON"),
        (("t1", "--app", "nowhere"), 1, "is no automation"),
    ):
        told = interlock(folder, "ask", *arguments, code=None)
        assert told.code == code and words in told.err, (arguments, str(told))


def test_a_worker_asks_the_same_model_and_the_ledger_says_what_it_took(folder: Path, server: ModelServer) -> None:
    answering(server)
    interlock(folder, "submit", "Opened", "--id", "e1", "--data", json.dumps(EVENT))
    interlock(folder, "run", "--until-idle", **DIRECT)
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    explained = interlock(folder, "explain", "tickets/t1", "--unseal").out
    assert "score: the probability of the tokens that spell the value" in explained
    assert "took input tokens 100, output tokens 20, requests 1, cost 0.000027 EUR" in explained
    interlock(folder, "verify")
    kept = {file.name: file.read_bytes() for file in folder.glob("interlock.db*") if file.is_file()}
    kept["history"] = interlock(folder, "history", "tickets/t1", "--json").out.encode()
    kept["release"] = interlock(folder, "release", "show", "--json").out.encode()
    assert len(kept) >= 3 and not any(SECRET.encode() in data for data in kept.values())

    # What it would come to now: the same refund, which the day's budget has no room for any more.
    before = (folder / "interlock.db").read_bytes()
    other = {**EVENT, "ticket": "t2"}
    told = ask(folder, "Opened", "--data", json.dumps(other))
    assert told["new"] is True
    assert told["decisions"][0]["verdict"] == "escalate"
    assert told["decisions"][0]["budgets"][0]["state"] == "exhausted"
    again = ask(folder, "t1")
    assert again["new"] is False and [one["advisor"] for one in again["asked"]] == ["model", "fixed"]
    assert again["would_run"] == []
    assert (folder / "interlock.db").read_bytes() == before, "nothing was written"
    assert interlock(folder, "ask", "t2", code=1).err.startswith("error: There is no case t2.")
