"""The first hour with interlock, as the README of a new automation tells it, through processes and files."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.cli_session import COMMAND, environment, interlock, new_automation, seen

pytestmark = pytest.mark.xdist_group("cli-story")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_automation(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def worked(fresh: Path) -> Path:
    """The five tickets of the template, submitted and handled."""
    folder = fresh.parent / "worked"
    shutil.copytree(fresh, folder)
    interlock(folder, "submit", "--file", "events.jsonl")
    interlock(folder, "run", "--until-idle")
    return folder


@pytest.fixture
def mine(worked: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    folder = tmp_path / "mine"
    shutil.copytree(worked, folder)
    # A copied database is not taken for the one it was lived in until somebody says that nothing ran since.
    interlock(folder, "recover", "--nothing-lost", "--as", "ann@example.com", "--comment", "copied for a test")
    return folder


def test_what_init_writes_passes_every_check(fresh: Path) -> None:
    told = interlock(fresh, "check").out
    assert told.startswith("tickets: ok, release ")
    assert interlock(fresh, "policy", "test", "--json").data["failed"] == 0
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."],
        cwd=fresh,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout
    assert "5 passed" in tests.stdout


def test_what_init_writes_is_clean_for_lint_and_types(fresh: Path) -> None:
    for command in (
        [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,I,B,UP", "."],
        [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--check", "."],
    ):
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_init_overwrites_nothing(fresh: Path) -> None:
    before = (fresh / "policy.yaml").read_bytes()
    told = interlock(fresh.parent, "init", "tickets", "--json", code=1)
    assert told.data["error"]["code"] == "exists"
    assert (fresh / "policy.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["9lives", "a.b", "ä", "a b", ".."])
def test_init_takes_only_names_that_an_automation_can_have(tmp_path: Path, name: str) -> None:
    assert interlock(tmp_path, "init", name, "--json", code=1).data["error"]["code"] == "bad_name"
    assert list(tmp_path.iterdir()) == []


def test_the_small_refund_was_paid_and_the_others_were_not(worked: Path) -> None:
    cases = {row["key"]: row for row in interlock(worked, "cases", "--json").data["cases"]}
    assert {key: row["status"] for key, row in cases.items()} == {
        "t1": "refunded",
        "t2": "open",
        "t3": "open",
        "t4": "answered",
        "t5": "open",
    }
    assert [key for key, row in sorted(cases.items()) if row["reviews"]] == ["t2", "t5"]
    paid = (worked / "sent" / "refunds.jsonl").read_text().splitlines()
    assert [json.loads(line)["amount"] for line in paid] == ["40.00"]


def test_budget_accounts_are_listed_only_by_name(worked: Path) -> None:
    assert "interlock.budgets" not in interlock(worked, "cases").out
    assert "interlock.budgets/tickets|refunds" in interlock(worked, "cases", "--automation", "interlock.budgets").out


def test_pages_of_cases_are_complete(worked: Path) -> None:
    found: list[str] = []
    after: tuple[str, ...] = ()
    while True:
        page = interlock(worked, "cases", "--limit", "2", "--json", *after).data
        found += [row["case"] for row in page["cases"]]
        if not page["more"]:
            break
        after = ("--after", found[-1])
    assert sorted(found) == [f"tickets/t{n}" for n in range(1, 6)]


def test_a_case_shows_its_state_and_what_is_valid(worked: Path) -> None:
    told = interlock(worked, "case", "t1", "--json").data
    assert told["state"]["refunded"] == "40.00"
    assert {row["action"]: row["valid"] for row in told["actions"]} == {"refund": False, "reply": True}
    text = interlock(worked, "case", "tickets/t1").out
    assert "tickets/t1  refunded" in text
    assert "Took effect" in text


def test_actions_name_the_decision_that_forbids(worked: Path) -> None:
    rows = {row["action"]: row for row in interlock(worked, "actions", "t1", "--json").data["actions"]}
    assert rows["refund"]["forbidden_by"].startswith("tickets/t1/")
    assert interlock(worked, "explain", rows["refund"]["forbidden_by"]).out


def test_what_is_valid_is_known_without_the_code(worked: Path, tmp_path: Path) -> None:
    rows = interlock(tmp_path, "actions", "t1", "--db", str(worked / "interlock.db"), "--json").data["actions"]
    assert [row["action"] for row in rows if row["valid"]] == ["reply"]


def test_explain_names_rules_with_their_lines(worked: Path) -> None:
    told = interlock(worked, "explain", "t3")
    assert "over_paid (line 6)" in told.out
    assert "Never refund more than was paid." in told.out
    assert interlock(worked, "explain", "t3", "--json").data


def test_history_of_a_moment_before_the_case_is_told_apart(worked: Path) -> None:
    assert "TicketOpened" in interlock(worked, "history", "t1").out
    assert interlock(worked, "history", "t1", "--json").data
    before = interlock(worked, "history", "t1", "--at", "2020-01-01", code=None)
    assert before.code in (0, 1)
    assert "refunded" not in before.out


def test_report_tail_and_verify(worked: Path) -> None:
    report = interlock(worked, "report", "--since", "1d").out
    assert "refund: 1 done" in report
    assert interlock(worked, "report", "--since", "1d", "--json").data
    lines = interlock(worked, "tail", "-n", "3", "--json").out.splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [
        ["at", "case", "decisions", "kind", "lsn", "slot", "text", "version"]
    ] * 3
    assert interlock(worked, "verify").out.rstrip().endswith("OK")
    assert interlock(worked, "verify", "--level", "1", "--json").data


def test_verify_finds_a_changed_byte(mine: Path) -> None:
    database = mine / "interlock.db"
    with closing(sqlite3.connect(database)) as db:
        (entry,) = db.execute("SELECT body FROM ledger ORDER BY slot, lsn LIMIT 1").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    body = database.read_bytes()
    changed = entry[:30] + bytes([entry[30] ^ 1]) + entry[31:60]
    assert entry[:60] in body
    database.write_bytes(body.replace(entry[:60], changed))
    told = interlock(mine, "verify", "--json", code=1)
    assert told.data


def test_an_anchor_is_written_once_and_compared_with(mine: Path) -> None:
    interlock(mine, "verify", "--anchor", "heads.json")
    assert interlock(mine, "verify", "--anchor", "heads.json", "--json", code=1).out
    interlock(mine, "verify", "--against", "heads.json")


def test_a_person_approves_what_they_have_seen(mine: Path) -> None:
    told = interlock(mine, "approve", "t5", "--as", "ann@example.com", code=2)
    assert "--seen" in told.err
    assert interlock(mine, "approve", "t5", "--as", "ann", "--seen", "0" * 16, "--json", code=3).data["error"]["code"]
    shown = interlock(mine, "reviews", "t5").out
    assert "amount: 30.00" in shown
    assert "case.paid:       30.00" in shown
    assert "autonomy: " in shown
    told = interlock(mine, "approve", "t5", "--as", "ann@example.com", "--seen", seen(mine, "t5"))
    assert "No worker is running" in told.err
    interlock(mine, "run", "--until-idle")
    assert interlock(mine, "case", "t5", "--json").data["status"] == "refunded"
    assert len((mine / "sent" / "refunds.jsonl").read_text().splitlines()) == 2
    interlock(mine, "verify")


def test_a_worker_that_runs_answers_at_once_and_drains_when_told(mine: Path) -> None:
    with worker(mine):
        denied = interlock(mine, "do", "refund", "--key", "t3", "--args", '{"amount":"99","reason":"late"}', code=3)
        assert denied.out.startswith("denied by over_paid: refund(amount=99")
        allowed = interlock(mine, "do", "reply", "--key", "t3", "--args", '{"template":"sorry"}', "--json").data
        assert allowed["decisions"][0]["verdict"] == "allow"
        edited = interlock(
            mine, "edit", "t5", "--as", "ann", "--args", '{"amount": "12.50"}', "--seen", seen(mine, "t5"), code=None
        )
        assert "12.50" in edited.out
        first = ("--seen", seen(mine, "t2"))
        assert "still needed: finance (2)" in interlock(mine, "approve", "t2", "--as", "ann", *first).err
        assert "another person must" in interlock(mine, "approve", "t2", "--as", "ann", *first, code=3).err
        assert "not asked" in interlock(mine, "approve", "t2", "--as", "bob", "--group", "x", *first, code=3).err
        rejected = interlock(mine, "reject", "t2", "--as", "bob", *first, "--json").data
        assert rejected["decisions"][0]["decided_by"] == ["rejected"]
        assert interlock(mine, "pause", "--json").data["paused"] == ["all"]
        assert interlock(mine, "pause", "--list").out == "paused: all\n"
        interlock(mine, "resume", "action:tickets/refund", code=3)
        assert interlock(mine, "resume").out == "Nothing is paused.\n"
    interlock(mine, "verify")


class worker:
    """`interlock run` beside the test; ended by SIGTERM, orderly."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "run", "--quiet"], cwd=self._folder, env=environment(), stderr=subprocess.PIPE
        )
        deadline = time.monotonic() + 120
        while not list(self._folder.glob("interlock.db.workers/*")):
            assert time.monotonic() < deadline, "the worker did not begin"
            assert self._process.poll() is None, "the worker ended"
            time.sleep(0.05)
        time.sleep(0.3)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        told = self._process.communicate(timeout=120)[1]
        assert self._process.returncode == 0, told


def test_files_of_events_are_accepted_whole_or_not_at_all(fresh: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sending"
    shutil.copytree(fresh, folder)
    good = {"ticket": "g1", "paid": "1.00", "message": "x"}
    lines = [
        json.dumps({"type": "TicketOpened", "id": "a", "source": "s", "data": good}),
        "{",
        json.dumps({"type": "TicketOpend", "id": "b", "source": "s", "data": good}),
        "",
        json.dumps({"type": "TicketOpened", "id": "c", "source": "s", "data": {**good, "paid": "1.005"}}),
        '{"type": "TicketOpened", "id": "d", "source": "s", "data": {"ticket": "x", "paid": NaN, "message": ""}}',
        json.dumps({"type": "TicketOpened", "id": "e", "source": "s", "data": {**good, "extra": 1}}),
        json.dumps({"type": "TicketOpened", "id": "f" * 300, "source": "s", "data": good}),
        json.dumps(
            {"specversion": "1.0", "type": "TicketOpened", "id": "g", "source": "s", "subject": "g1", "data": good}
        ),
        json.dumps(
            {"specversion": "1.0", "type": "TicketOpened", "id": "h", "source": "s", "subject": "no", "data": good}
        ),
    ]
    (folder / "mixed.jsonl").write_text("\n".join(lines))
    told = interlock(folder, "submit", "--file", "mixed.jsonl", code=1)
    assert [line.split(":")[1] for line in told.err.splitlines() if line.startswith("mixed.jsonl:")] == [
        "2",
        "3",
        "5",
        "6",
        "7",
        "8",
        "10",
    ]
    assert "Did you mean TicketOpened?" in told.err
    assert "nothing was accepted" in told.err
    assert not (folder / "interlock.db").exists()
    some = interlock(folder, "submit", "--file", "-", "--keep-going", "--json", code=1, stdin="\n".join(lines)).data
    assert (some["accepted"], some["refused"], some["duplicate"]) == (2, 7, 0)
    again = interlock(folder, "submit", "--file", "-", "--keep-going", "--json", code=1, stdin="\n".join(lines)).data
    assert (again["accepted"], again["duplicate"]) == (0, 2)


def test_one_event_twice_and_with_another_body(fresh: Path, tmp_path: Path) -> None:
    folder = tmp_path / "once"
    shutil.copytree(fresh, folder)
    send = ("submit", "TicketOpened", "--id", "e1", "--at", "2026-01-01T00:00:00Z", "--json", "--data")
    one, other = (json.dumps({"ticket": "t1", "paid": paid, "message": "hello"}) for paid in ("1.00", "2.00"))
    assert interlock(folder, *send, one).data["outcome"] == "accepted"
    assert interlock(folder, *send, one).data["outcome"] == "duplicate"
    assert interlock(folder, *send, other, code=1).data["error"]["code"] == "conflict"
    interlock(folder, *send, "{", code=1)
    interlock(folder, "submit", "Nothing", "--data", "{}", code=1)
    waiting = interlock(folder, "case", "t1", code=1)
    assert "1 accepted messages wait" in waiting.err


@pytest.fixture(autouse=True)
def _no_worker_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.glob("*/interlock.db.workers/*"))
