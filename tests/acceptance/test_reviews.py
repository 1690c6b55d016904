"""People at their reviews, through the commands: in hand, handed on, asked back, for others, many at once, undone.

A worker runs as a process; the commands are run within this one, since starting each would take most of the time.
"""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.root import run
from tests.acceptance.cli_session import COMMAND, Told, environment, new_automation
from tests.acceptance.cli_session import interlock as as_process

pytestmark = pytest.mark.xdist_group("reviews-story")

RACER = Path(__file__).with_name("review_racer.py")

GROUPS = """
[reviews.support]
expires = "7d"
members = ["ann", "bob"]
reassign_to = ["seniors"]
claim = "1h"
remind = ["1d", "2d"]
escalate = {after = "3d", to = "seniors"}

[reviews.finance]
expires = "7d"
"""

TICKETS = {"big": "380.00", "hand": "30.00", "away": "30.00", "many": "30.00", "undo": "30.00"}
RACED = [f"race{n}" for n in range(10)]
TICKETS |= dict.fromkeys(RACED, "380.00")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tickets of which one waits for two of finance and the others for support, and a worker that runs."""
    made = new_automation(tmp_path_factory.mktemp("reviews"))
    release = made / "release.toml"
    text = release.read_text()
    release.write_text(
        text[: text.index("[reviews.support]")].replace("max = 500.00", "max = 9000.00") + GROUPS.lstrip()
    )
    message = {"380.00": "The table arrived broken.", "30.00": "I want my money back."}
    (made / "events.jsonl").write_text(
        "\n".join(
            json.dumps(
                {"type": "TicketOpened", "id": name, "data": {"ticket": name, "paid": paid, "message": message[paid]}}
            )
            for name, paid in TICKETS.items()
        )
    )
    as_process(made, "submit", "--file", "events.jsonl")
    as_process(made, "run", "--until-idle")
    worker = subprocess.Popen([*COMMAND, "run", "--quiet"], cwd=made, env=environment(), stderr=subprocess.PIPE)
    with contextlib.chdir(made):
        yield made
    worker.send_signal(signal.SIGTERM)
    told = worker.communicate(timeout=120)[1]
    assert worker.returncode == 0, told


def interlock(*arguments: str, code: int = 0) -> Told:
    """Run a command here and expect its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        ended = run(list(arguments))
    told = Told(ended, out.getvalue(), err.getvalue())
    assert ended == code, f"interlock {' '.join(arguments)}: {told}"
    return told


def act(*arguments: str, code: int = 0) -> Told:
    """A command that ends with what a worker made of it."""
    return interlock(*arguments, "--wait", "60s", code=code)


def shown(name: str) -> dict[str, Any]:
    return interlock("reviews", name, "--json").data


def test_claimed_handed_on_asked_back_and_answered(folder: Path) -> None:
    review = shown("hand")["id"]
    act("claim", review, "--as", "ann")
    assert shown("hand")["claim"]["by"] == "ann"
    assert "ann until" in interlock("reviews", "hand").out
    refused = act("approve", "hand", "--as", "bob", "--seen", shown("hand")["seen"], code=3)
    assert "does not count: ann has it in hand until" in refused.err
    assert "eve is not of support" in act("claim", "hand", "--as", "eve", code=3).err
    act("unclaim", "hand", "--as", "ann")
    act("respond", "hand", "--ask", "What did he pay?", "--as", "ann")
    assert "waits for an answer" in interlock("reviews").out
    assert shown("hand")["waits"]
    assert "--ask TEXT or --answer TEXT" in interlock("respond", "hand", "--as", "ann", code=2).err
    act("respond", "hand", "--answer", "Thirty.", "--as", "bob")
    act("reassign", "hand", "--to", "kitchen", "--as", "ann", code=3)
    act("reassign", "hand", "--to", "seniors", "--as", "ann", "--comment", "Above my head.")
    found = shown("hand")
    assert found["exchanges"][0]["answer"] == "Thirty." and found["groups"][0]["asked"] == ["seniors"]
    assert [one["id"] for one in _listed("seniors")] == [review]
    assert review not in [one["id"] for one in _listed("support")]
    refused = interlock("approve", "hand", "--as", "ann", "--group", "support", "--seen", found["seen"], code=3)
    assert "Group support is not asked" in refused.err
    told = act("approve", "hand", "--as", "sue", "--seen", found["seen"], "--json").data
    assert told["decisions"][0]["verdict"] == "allow"
    told = interlock("explain", review).out
    assert "to seniors: Above my head." in told and "asks about" in told and "What did he pay?" in told


def _listed(group: str) -> list[dict[str, Any]]:
    return interlock("reviews", "--group", group, "--json").data["reviews"]


def test_somebody_decides_for_a_member_who_is_away(folder: Path) -> None:
    digest = shown("away")["seen"]
    nobody = interlock("approve", "away", "--as", "cid", "--for", "ann", "--seen", digest, "--json", code=3)
    assert nobody.data["error"]["code"] == "not_delegated"
    act("delegate", "--to", "cid", "--until", "2d", "--group", "support", "--as", "ann", "--comment", "Away.")
    interlock("delegate", "--to", "cid", "--as", "ann", code=2)
    act("delegate", "--to", "ann", "--until", "2d", "--as", "ann", code=3)
    (one,) = interlock("delegate", "--json").data["delegations"]
    assert (one["by"], one["to"], one["group"], one["in_force"]) == ("ann", "cid", "support", True)
    told = act("approve", "away", "--as", "cid", "--for", "ann", "--seen", digest, "--json").data
    assert "Approved by cid for ann (support)." in interlock("explain", told["decisions"][0]["id"]).out
    assert "interlock.people/ann" not in interlock("cases").out
    assert "cid decides for ann" in interlock("history", "interlock.people/ann").out
    interlock("delegate", "--end", one["id"], "--as", "eve", code=3)
    act("delegate", "--end", one["id"], "--as", "ann")
    assert interlock("delegate", "--json").data == {"delegations": []}


def test_many_at_once_each_for_itself(folder: Path) -> None:
    first, second = shown("big"), shown("many")
    several = [first["id"], "tickets/many/9.9", second["id"]]
    digests = ["--seen", first["seen"], "--seen", "0" * 16, "--seen", second["seen"]]
    told = act("approve", *several, *digests, "--as", "ann", "--json", code=3)
    assert [row["outcome"] for row in told.data["reviews"]] == ["handled", "refused", "handled"]
    assert told.data["refused"] == 1 and "is not open" in told.data["reviews"][1]["notes"][0]
    assert told.data["reviews"][2]["decisions"][0]["verdict"] == "allow"
    assert [one["principal"] for one in shown("big")["approvals"]] == ["ann"]
    Path("verdicts.jsonl").write_text(json.dumps({"review": first["id"], "seen": first["seen"], "comment": "Fine."}))
    out = act("approve", "--file", "verdicts.jsonl", "--as", "bob").out
    assert "allow tickets/big/" in out
    Path("verdicts.jsonl").write_text('{"review": "tickets/big/2.0"}\n')
    told = interlock("approve", "--file", "verdicts.jsonl", "--as", "bob", code=1)
    assert "Line 1: `review` and `seen` are needed" in told.err
    told = interlock("reject", first["id"], second["id"], "--seen", "0", "--as", "ann", code=2)
    assert "2 reviews and 1 times --seen" in told.err


def test_until_the_start_an_approval_is_taken_back(folder: Path) -> None:
    review = shown("undo")["id"]
    assert "Name the review" in interlock("withdraw", "undo", "--as", "ann", code=1).err
    interlock("pause", "tickets/refund")
    act("approve", "undo", "--as", "ann", "--seen", shown("undo")["seen"])
    act("withdraw", review, "--as", "eve", code=3)
    act("withdraw", review, "--as", "ann", "--comment", "Wrong customer.")
    again = shown("undo")
    assert again["id"] != review and again["changes"] == {"withdrawn": {"ann": ["approved", "took it back"]}}
    assert "An approval was taken back" in interlock("reviews", "undo").out
    interlock("resume")
    assert interlock("case", "undo", "--json").data["status"] == "open"
    assert interlock("withdraw", review, "--as", "ann", "--json", code=3).data["error"]["code"] == "not_open"


def test_people_in_processes_of_their_own_at_the_same_reviews(folder: Path) -> None:
    """Approve against approve against withdraw against the start, by three people and two workers at once."""
    waiting = [{"id": shown(name)["id"], "seen": shown(name)["seen"]} for name in RACED]
    second = subprocess.Popen([*COMMAND, "run", "--quiet"], cwd=folder, env=environment(), stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(list(folder.glob("interlock.db.workers/*"))) < 2:
        assert time.monotonic() < deadline and second.poll() is None, "the second worker did not begin"
        time.sleep(0.05)
    start = str(time.time() + 2.5)
    people = [
        subprocess.Popen(
            [sys.executable, str(RACER), "interlock.db", start, who, f"{who}1"],
            cwd=folder,
            env=environment(PYTHONPATH=str(RACER.parents[2])),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in ("ann", "bob", "cid")
    ]
    for one in people:
        assert one.stdin is not None
        one.stdin.write(json.dumps(waiting))
        one.stdin.close()
    for one in people:
        assert one.wait(120) == 0, one.stderr.read() if one.stderr else ""
    deadline = time.monotonic() + 120
    while interlock("cases", "--json").data["waiting"]:
        assert time.monotonic() < deadline, "the workers did not finish"
        time.sleep(0.1)
    second.send_signal(signal.SIGTERM)
    assert second.wait(120) == 0
    interlock("verify")
    refunded = [_judged(name) for name in RACED]
    assert any(refunded), "somebody's approvals held"
    booked = [json.loads(line) for line in Path("sent/refunds.jsonl").read_text().splitlines()]
    assert len({one["key"] for one in booked}) == len(booked)


def _judged(name: str) -> bool:
    """What became of a raced review, from its record alone: who had approved at the moment of the start. True if the
    refund started.
    """
    approved: dict[str, set[str]] = {}
    started = False
    for moment in interlock("history", name, "--json").data["moments"]:
        entry = moment["entry"]
        cause, body, notes = entry["cause"], entry["cause"]["body"], " ".join(entry.get("notes", ()))
        if "does not count" in notes:
            continue
        if body["kind"] == "review":
            approved.setdefault(body["review"], set()).add(cause["principal"])
        elif body["kind"] == "handling":
            assert not started, "what has started is not taken back"
            if "before refund" in notes:
                approved[body["review"]] = set()  # the effect is gone, and its approvals with it
            else:
                approved[body["review"]].discard(cause["principal"])
        elif body["kind"] == "start" and "started" in " ".join(moment["then"]) and "refund" in " ".join(moment["then"]):
            assert not started, "once"
            assert any(len(people) == 2 for people in approved.values()), "two people stood behind it at its start"
            started = True
    return started


def test_all_of_it_is_in_order_in_the_record(folder: Path) -> None:
    interlock("verify")
