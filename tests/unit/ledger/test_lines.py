"""The ledger as lines, and where a reader goes on."""

from __future__ import annotations

from interlock.ledger import advance, cursor, one_line, tail
from interlock.vocabulary.ids import CaseId
from tests.unit.ledger.driving import BOX, a_week_of_cheques, desk


def test_the_newest_lines_come_last() -> None:
    at = a_week_of_cheques(desk())
    lines = tail(at.store, limit=5)
    assert len(lines) == 5
    assert [line.entry.at for line in lines] == sorted(line.entry.at for line in lines)
    assert lines[-1].text.endswith("it took effect -> return_unpaid took effect; now returned")


def test_a_reader_gets_every_entry_once_and_in_order() -> None:
    at = desk()
    place: dict[int, int] = {}
    seen: list[tuple[int, int]] = []
    for key in ("a", "b", "c", "d"):
        at.hear("Presented", {"cheque": key, "box": BOX})
        at.hear("FundsReported", {"cheque": key, "available": "500.00"})
        while lines := tail(at.store, after=place, limit=3):
            place = advance(place, lines)
            seen += [(line.slot, line.lsn) for line in lines]
    assert place == cursor(at.store)
    assert len(seen) == len(set(seen)) == sum(place.values())
    for slot in place:
        assert [lsn for where, lsn in seen if where == slot] == list(range(1, place[slot] + 1))


def test_lines_of_one_case_and_of_one_automation() -> None:
    at = a_week_of_cheques(desk())
    mine = tail(at.store, case=CaseId("cheques", "c1"), limit=3)
    assert [line.entry.version for line in mine] == [6, 7, 8]
    assert {line.entry.automation for line in tail(at.store, automation="cheques", limit=500)} == {"cheques"}


def test_one_line_says_when_where_what_and_what_it_led_to() -> None:
    at = a_week_of_cheques(desk())
    lines = [one_line(line.entry) for line in tail(at.store, case=CaseId("cheques", "c2"), limit=10)]
    assert lines[0].endswith("cheques/c2 #1 event Presented m3 from test -> now presented")
    assert lines[3].endswith("-> pay (amount 120.00) allowed, waiting for its budget by pay_small")
    assert "4.0 started" in lines[5]
    assert "\n" not in "".join(lines)
