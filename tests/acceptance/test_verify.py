"""Somebody with write access to the database file changes something: `verify` must say so.

The store is a real file, changed through a connection of its own. Where the attacker also computes a new chain, what
still gives the change away is the fold, the links, the judgements, or an anchor kept outside; what nothing but an
anchor shows is here as well, because docs/reference/ledger.md says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.ledger import Anchor, VerifyReport, anchor, verify
from interlock.releases.manifest import Manifest
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary import canonical
from interlock.vocabulary.entry import GENESIS, chain
from tests.unit.ledger.driving import BOX, START, Desk, a_week_of_cheques, desk, reads

SLOTS = 4
ROW = "slot, era, lsn, hash, dictionary, body"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a bit of everything in it, its bodies unpacked: an attacker would do that first."""
    path = tmp_path_factory.mktemp("made") / "week.db"
    at = a_week_of_cheques(desk(path=str(path), n_slots=SLOTS))
    unpack(at)
    at.store.leave("w")
    at.store.close()
    return path


def unpack(at: Desk) -> None:
    """Store entries and cases as plain JSON, which the store reads as well as packed bodies."""
    cases = at.store.cases(automation=None, status=None, after=None, limit=1_000)
    entries = [one for slot in range(at.store.caps.n_slots) for one in at.store.ledger(slot, after=0, limit=10_000)]
    with sqlite3.connect(at.path) as db:
        for entry, body, _ in entries:
            place = (body, entry.slot, entry.lsn)
            db.execute("UPDATE ledger SET body = ?, dictionary = 0 WHERE slot = ? AND lsn = ?", place)
        for case in cases:
            place = (canonical.encode(case), case.automation, case.key)
            db.execute("UPDATE cases SET body = ?, dictionary = 0 WHERE automation = ? AND key = ?", place)


class Attack:
    """A copy of the database, a connection to change it, and `verify` to look at it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA synchronous=OFF")
        self.store = open_sqlite(path, create=False)

    def sql(self, statement: str, *values: Any) -> list[Any]:
        return self.db.execute(statement, values).fetchall()

    def codes(self, *, level: int = 2, against: Anchor | None = None) -> set[str]:
        return {finding.code for finding in self.verify(level=level, against=against).findings}

    def verify(self, *, level: int = 2, against: Anchor | None = None) -> VerifyReport:
        return verify(self.store, level=level, against=against)

    def slot_of(self, case: str) -> int:
        return self.sql("SELECT slot FROM cases WHERE key = ?", case)[0][0]

    def entries(self, slot: int) -> list[tuple[int, bytes]]:
        return self.sql("SELECT lsn, body FROM ledger WHERE slot = ? ORDER BY lsn", slot)

    def find(self, key: str, holds: Callable[[dict[str, Any]], bool]) -> tuple[int, int, dict[str, Any]]:
        """The first entry of a case of which this holds: slot, lsn, plain data."""
        for slot, lsn, body in self.sql("SELECT slot, lsn, body FROM ledger ORDER BY slot, lsn"):
            plain = canonical.decode(body)
            if plain["key"] == key and holds(plain):
                return slot, lsn, plain
        raise AssertionError(f"no such entry of {key}")

    def put(self, slot: int, lsn: int, plain: Any) -> None:
        self.sql("UPDATE ledger SET body = ? WHERE slot = ? AND lsn = ?", canonical.encode(plain), slot, lsn)

    def chain_anew(self, slot: int) -> None:
        """What an attacker who knows the layout would do: hashes and head fit again."""
        head, last = GENESIS, 0
        for lsn, body in self.entries(slot):
            head, last = chain(head, body), lsn
            self.sql("UPDATE ledger SET hash = ? WHERE slot = ? AND lsn = ?", head, slot, lsn)
        self.sql("UPDATE slots SET head = ?, lsn = ? WHERE slot = ?", head, last, slot)


@pytest.fixture
def attack(made: Path, tmp_path: Path) -> Iterator[Attack]:
    path = tmp_path / "copy.db"
    with sqlite3.connect(made) as source, sqlite3.connect(path) as copy:
        source.backup(copy)
    one = Attack(path)
    yield one
    one.store.close()
    one.db.close()


def test_nothing_is_found_where_nothing_was_changed(attack: Attack) -> None:
    report = attack.verify()
    assert report.findings == ()
    assert report.entries == attack.sql("SELECT count(*) FROM ledger")[0][0] > 60
    assert report.reevaluated == report.decisions > 15


# --- bytes ----------------------------------------------------------------------------------------------------------


def one_cheque(path: Path) -> Desk:
    at = desk(path=str(path), n_slots=1)
    at.answers["trees"] = reads("720.00")
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "900.00"})
    at.verdict("c1", "approve", principal="cora")
    return at


@pytest.mark.parametrize(("packed", "step"), [(True, 5), (False, 13)], ids=["packed", "plain"])
def test_every_changed_byte_of_every_entry_is_found(tmp_path: Path, packed: bool, step: int) -> None:
    """Each byte in turn, by a step that falls on other fields in each entry; the first and last of each always."""
    at = one_cheque(tmp_path / "one.db")
    if not packed:
        unpack(at)
    db = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    db.execute("PRAGMA synchronous=OFF")
    rows = db.execute("SELECT lsn, body, hash FROM ledger").fetchall()
    assert verify(at.store).ok
    unnoticed: list[tuple[int, str, int]] = []
    tried = 0
    for lsn, body, hash_ in rows:
        for column, good, places in (
            ("body", body, sorted({*range(lsn % step, len(body), step), 0, len(body) - 1})),
            ("hash", hash_, range(0, len(hash_), 5)),
        ):
            for place in places:
                bad = bytearray(good)
                bad[place] ^= 1 << (place % 8)
                db.execute(f"UPDATE ledger SET {column} = ? WHERE lsn = ?", (bytes(bad), lsn))
                tried += 1
                if verify(at.store, level=1, slots=[0]).ok:
                    unnoticed.append((lsn, column, place))
            db.execute(f"UPDATE ledger SET {column} = ? WHERE lsn = ?", (good, lsn))
    assert tried > 500
    assert unnoticed == []
    assert verify(at.store).ok
    db.close()
    at.store.close()


def test_a_changed_byte_is_named_by_slot_and_entry(attack: Attack) -> None:
    slot, lsn, _ = attack.find("c2", lambda entry: bool(entry.get("decisions")))
    body = attack.entries(slot)[lsn - 1][1].replace(b"120.00", b"920.00", 1)
    attack.sql("UPDATE ledger SET body = ? WHERE slot = ? AND lsn = ?", body, slot, lsn)
    found = attack.verify(level=1).findings
    assert (found[0].slot, found[0].lsn, found[0].code) == (slot, lsn, "chain")


def test_an_entry_that_cannot_be_read_does_not_hide_the_others(attack: Attack) -> None:
    slot = attack.slot_of("c2")
    attack.sql("UPDATE ledger SET body = ? WHERE slot = ? AND lsn = 2", b"\xff{", slot)
    attack.sql("UPDATE ledger SET hash = ? WHERE slot = ? AND lsn = 9", b"\0" * 32, slot)
    found = {(one.lsn, one.code) for one in attack.verify(level=1).findings if one.slot == slot}
    assert {(2, "unreadable"), (9, "chain")} <= found


def test_a_field_that_is_none_of_an_entry_is_found_even_with_a_new_chain(attack: Attack) -> None:
    slot, lsn, entry = attack.find("c2", lambda entry: entry["version"] == 1)
    attack.put(slot, lsn, {**entry, "zzz": 1})
    attack.chain_anew(slot)
    assert attack.codes(level=1) == {"canonical"}


# --- entries --------------------------------------------------------------------------------------------------------


def test_a_tail_that_was_cut_off_is_found(attack: Attack) -> None:
    slot = attack.slot_of("c2")
    last = attack.entries(slot)[-1][0]
    attack.sql("DELETE FROM ledger WHERE slot = ? AND lsn = ?", slot, last)
    assert "tail" in attack.codes(level=1)


def test_a_tail_that_was_cut_off_together_with_the_head_is_found(attack: Attack) -> None:
    slot = attack.slot_of("c2")
    attack.sql("DELETE FROM ledger WHERE slot = ? AND lsn > ?", slot, attack.entries(slot)[-3][0])
    attack.chain_anew(slot)
    assert attack.codes(level=1) & {"record", "link"}


def test_a_whole_slot_that_was_emptied_is_found(attack: Attack) -> None:
    slot = attack.slot_of("c2")
    attack.sql("DELETE FROM ledger WHERE slot = ?", slot)
    assert "tail" in attack.codes(level=1)
    attack.sql("UPDATE slots SET lsn = 0, head = ? WHERE slot = ?", GENESIS, slot)
    assert "record" in attack.codes(level=1)


def test_a_removed_entry_is_found(attack: Attack) -> None:
    attack.sql("DELETE FROM ledger WHERE slot = ? AND lsn = 4", attack.slot_of("c2"))
    assert {"gap", "chain"} <= attack.codes(level=1)


def test_a_removed_entry_whose_followers_were_renumbered_and_chained_is_found(attack: Attack) -> None:
    slot = attack.slot_of("c2")
    attack.sql("DELETE FROM ledger WHERE slot = ? AND lsn = 4", slot)
    for lsn, body in [(lsn, body) for lsn, body in attack.entries(slot) if lsn > 4]:
        entry = canonical.decode(body)
        entry["lsn"] -= 1
        if entry.get("prev", 0) > 4:
            entry["prev"] -= 1
        attack.put(slot, lsn, entry)
        attack.sql("UPDATE ledger SET lsn = lsn - 1 WHERE slot = ? AND lsn = ?", slot, lsn)
    attack.chain_anew(slot)
    assert "fold" in attack.codes(level=1)


def test_an_entry_unhooked_from_its_case_is_found(attack: Attack) -> None:
    """`history` and `explain` find entries by these links: one that is left out would be told by nobody."""
    slot, lsn, entry = attack.find("c2", lambda entry: entry["version"] == 6)
    entry["prev"] = canonical.decode(attack.entries(slot)[entry["prev"] - 1][1])["prev"]
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert attack.codes(level=1) == {"link"}


def test_swapped_entries_are_found(attack: Attack) -> None:
    slot = attack.slot_of("c2")
    (a, first), (b, second) = attack.entries(slot)[2:4]
    attack.sql("UPDATE ledger SET body = ? WHERE slot = ? AND lsn = ?", second, slot, a)
    attack.sql("UPDATE ledger SET body = ? WHERE slot = ? AND lsn = ?", first, slot, b)
    assert "chain" in attack.codes(level=1)
    attack.chain_anew(slot)
    assert "gap" in attack.codes(level=1)


@pytest.mark.parametrize(("lsn", "era", "code"), [("lsn + 1000", "era", "head"), ("lsn", "era + 1", "gap")])
def test_an_entry_too_many_is_found(attack: Attack, lsn: str, era: str, code: str) -> None:
    slot = attack.slot_of("c2")
    columns = f"slot, {era}, {lsn}, hash, 0, body"
    attack.sql(f"INSERT INTO ledger ({ROW}) SELECT {columns} FROM ledger WHERE slot = ? AND lsn = 3", slot)
    assert code in attack.codes(level=1)


def test_an_entry_moved_to_another_slot_is_found(attack: Attack) -> None:
    slot = attack.slot_of("c2")
    other = (slot + 1) % SLOTS
    attack.sql("DELETE FROM ledger WHERE slot = ?", other)
    attack.sql(
        f"INSERT INTO ledger ({ROW}) SELECT ?, era, lsn, hash, 0, body FROM ledger WHERE slot = ?",
        other,
        slot,
    )
    attack.chain_anew(other)
    assert "place" in attack.codes(level=1)


def test_a_changed_head_is_found(attack: Attack) -> None:
    attack.sql("UPDATE slots SET head = ? WHERE slot = ?", b"\1" * 32, attack.slot_of("c2"))
    assert attack.codes(level=1) == {"head"}


# --- what is stored beside the ledger -------------------------------------------------------------------------------


def test_a_changed_case_is_found(attack: Attack) -> None:
    attack.sql("UPDATE cases SET body = CAST(replace(CAST(body AS TEXT), '500.00', '900.00') AS BLOB) WHERE key = 'c2'")
    found = attack.verify(level=1).findings
    assert [(one.code, one.about) for one in found] == [("record", "cheques/c2")]
    assert "state" in found[0].text


def test_a_removed_case_is_found(attack: Attack) -> None:
    attack.sql("DELETE FROM cases WHERE key = 'c2'")
    assert attack.codes(level=1) == {"record"}


def test_a_case_without_a_history_is_found(attack: Attack) -> None:
    attack.sql(
        "INSERT INTO cases SELECT slot, automation, 'forged', version, lsn_newest, updated_at, status, 0,"
        " CAST(replace(CAST(body AS TEXT), '\"c2\"', '\"forged\"') AS BLOB) FROM cases WHERE key = 'c2'"
    )
    assert attack.codes(level=1) == {"record"}


def test_a_review_taken_off_the_list_is_found(attack: Attack) -> None:
    attack.sql("DELETE FROM reviews WHERE key = 'waiting'")
    assert attack.codes(level=1) == {"review"}


def test_a_command_out_of_nothing_is_found(tmp_path: Path) -> None:
    at = desk(path=str(tmp_path / "x.db"), n_slots=1)
    at.effects["perform:pay"] = lambda _: None  # stays in doubt; its check is a command
    at.effects["check:pay"] = lambda _: None
    at.hear("Presented", {"cheque": "c1", "box": BOX})
    at.hear("FundsReported", {"cheque": "c1", "available": "900.00"})
    assert verify(at.store).ok
    with sqlite3.connect(tmp_path / "x.db") as db:
        assert db.execute("UPDATE commands SET body = replace(CAST(body AS TEXT), '/4.0', '/9.0')").rowcount == 1
    assert {one.code for one in verify(at.store).findings} == {"command"}
    at.store.close()


# --- a new chain over a changed story -------------------------------------------------------------------------------


def decided(entry: dict[str, Any]) -> bool:
    return bool(entry.get("decisions"))


def test_a_decision_turned_round_is_found_by_judging_it_again(attack: Attack) -> None:
    slot, lsn, entry = attack.find("waiting", decided)
    entry["decisions"][0] |= {"verdict": "allow", "decided_by": ["pay_small"], "groups": []}
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert attack.codes(level=1) <= {"canonical"}
    assert "combined" in attack.codes()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bound": {"advice.agreed": 2}}, "verdict"),
        ({"bound": {"proposal.amount": 1}}, "bound"),
        ({"bound": {"case.nonsense": 1}}, "bound"),
        ({"policy": {"mask": 0}}, "verdict"),
        ({"policy_hash": "0" * 64}, "policy_hash"),
        ({"autonomy": {"outcome": "exempt"}}, "autonomy"),
        ({"autonomy": {"terms": {"rung": 1}}}, "autonomy"),
        ({"proposal": {"score": 999_999}}, "bound"),
        ({"proposal": {"args": {"amount": "1.00"}}}, "arguments"),
        ({"proposal": {"source": "person"}}, "bound"),
        ({"id": "cheques/waiting/9.0"}, "decision_id"),
    ],
    ids=str,
)
def test_each_part_of_a_decision_is_held_against_the_rest(attack: Attack, change: dict[str, Any], code: str) -> None:
    slot, lsn, entry = attack.find("waiting", decided)
    entry["decisions"][0] = merged(entry["decisions"][0], change)
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert code in attack.codes()


def merged(plain: Any, change: Any) -> Any:
    if not isinstance(plain, dict) or not isinstance(change, dict):
        return change
    return {**plain, **{name: merged(plain.get(name), one) for name, one in change.items()}}


def test_an_approval_that_nobody_gave_is_found(attack: Attack) -> None:
    slot, lsn, entry = attack.find("approved", lambda entry: bool(entry.get("decisions", [{}])[0].get("approvals")))
    for decision in entry["decisions"]:
        for approval in decision["approvals"]:
            approval["principal"] = "eve"
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert "approval" in attack.codes()


def test_an_approval_by_the_one_who_asked_is_found(attack: Attack) -> None:
    slot, lsn, entry = attack.find("approved", lambda entry: bool(entry.get("decisions", [{}])[0].get("approvals")))
    for decision in entry["decisions"]:
        decision["proposal"]["requesters"] = ["cora"]
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert "four_eyes" in attack.codes()


def test_an_effect_without_a_decision_is_found(attack: Attack) -> None:
    slot, lsn, entry = attack.find("stopped", decided)
    entry["decisions"] = []
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert "undecided" in attack.codes()


def test_a_budget_that_was_not_asked_is_found(attack: Attack) -> None:
    slot, lsn, entry = attack.find("waiting", decided)
    entry["decisions"][0]["budgets"] = []
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert "budget" in attack.codes()


def test_the_arithmetic_of_a_budget_account_is_done_again(attack: Attack) -> None:
    key = attack.sql("SELECT key FROM cases WHERE automation = 'interlock.budgets'")[0][0]
    slot, lsn, entry = attack.find(key, lambda entry: entry["cause"]["body"]["kind"] == "settle")
    entry["cause"]["body"]["charged"] -= 1
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert attack.codes() == {"account"}


def test_another_policy_under_the_same_release_is_found(attack: Attack) -> None:
    id, manifest = attack.sql("SELECT id, manifest FROM releases")[0]
    read = Manifest.from_bytes(manifest)
    source = read.body["policy"]["source"].replace(
        "advice.agreed < 2, then: escalate", "advice.agreed < 1, then: escalate"
    )
    body = {**read.body, "policy": {**read.body["policy"], "source": source}}
    forged = Manifest(read.automation, read.components, body).to_bytes()
    attack.sql("UPDATE releases SET manifest = ? WHERE id = ?", forged, id)
    assert "release" in attack.codes()


def test_a_release_that_is_gone_is_reported_and_nothing_is_claimed(attack: Attack) -> None:
    attack.sql("DELETE FROM releases")
    report = attack.verify()
    assert report.reevaluated == 0
    assert sum(report.not_reevaluated.values()) == report.decisions
    assert not report.ok


# --- anchors --------------------------------------------------------------------------------------------------------


def test_a_story_retold_consistently_shows_only_against_an_anchor(attack: Attack) -> None:
    """When a start was received is read by no rule and folded into no state; a new chain covers it."""
    kept = Anchor.from_data(anchor(attack.store).to_data())
    assert attack.verify(against=kept).ok
    slot, lsn, entry = attack.find("c2", lambda entry: entry["cause"]["body"]["kind"] == "start")
    entry["cause"]["received_at"] += 1
    attack.put(slot, lsn, entry)
    attack.chain_anew(slot)
    assert attack.verify().ok
    assert attack.codes(against=kept) == {"anchor"}


def test_a_database_put_back_to_yesterday_shows_only_against_an_anchor(tmp_path: Path) -> None:
    at = one_cheque(tmp_path / "now.db")
    with sqlite3.connect(tmp_path / "now.db") as source, sqlite3.connect(tmp_path / "yesterday.db") as copy:
        source.backup(copy)
    at.hear("StopPayment", {"cheque": "c1"})
    kept = anchor(at.store)
    at.store.close()
    yesterday = open_sqlite(tmp_path / "yesterday.db", create=False)
    assert verify(yesterday).ok
    assert {one.code for one in verify(yesterday, against=kept).findings} == {"anchor"}
    yesterday.close()


def test_an_anchor_of_another_store_is_refused_as_a_witness(attack: Attack) -> None:
    kept = anchor(attack.store)
    assert attack.codes(against=Anchor("another", kept.heads)) == {"anchor"}


def test_verify_beside_a_writer_finds_nothing(tmp_path: Path) -> None:
    at = one_cheque(tmp_path / "busy.db")
    rounds = 0

    def write(_done: int, _total: int) -> None:
        nonlocal rounds
        rounds += 1
        at.hear("Presented", {"cheque": f"n{rounds}", "box": BOX}, occurred_at=START)
        at.hear("FundsReported", {"cheque": "c1", "available": f"{rounds}.00"})

    reader = open_sqlite(tmp_path / "busy.db", create=False)
    report = verify(reader, progress=write)
    assert rounds >= 1
    assert report.findings == ()
    reader.close()
    at.store.close()
