"""The bench itself: what it does is what the real thing does, and it says so when a test asks for what is not there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from interlock.releases import load_release
from interlock.testing import Bench
from interlock.testing.bench import duration
from interlock.vocabulary.errors import Conflict
from tests.unit.testing.small import write


@pytest.fixture
def bills(tmp_path):
    folder = write(tmp_path)
    module = load_release(folder).loaded.definition.modules[0]
    bench = Bench.load(folder)
    yield SimpleNamespace(b=bench, m=module)
    bench.close()


def test_the_automations_own_code_advisor_answers_and_effects_are_booked(bills):
    b, m = bills.b, bills.m
    b.earned(m.Pay)
    b.hear(m.Received(bill="b1", text="twelve chars"))
    assert b.performed(m.Pay) == [m.Pay(amount=12)]
    assert b.case("b1").status == b.case("b1").state.status == "paid"
    assert b.last("b1").verdict == "allow"
    assert b.last("b1").decided_by == ["small"]


def test_answers_and_silences_are_the_tests_to_give(bills):
    b, m = bills.b, bills.m
    b.earned(m.Pay)
    b.answer(m.Read, "70", score=0.5)
    b.hear(m.Received(bill="b1", text="x"))
    assert b.performed(m.Pay) == [m.Pay(amount=70)]
    b.silent(m.Read)
    b.hear(m.Received(bill="b2", text="x"))
    assert b.case("b2").record.questions == {}
    with pytest.raises(LookupError, match="counts"):
        b.silent(m.Read, "nobody")


def test_without_autonomy_a_person_decides_and_may_edit(bills):
    b, m = bills.b, bills.m
    b.hear(m.Received(bill="b1", text="12345"))
    assert b.last("b1", m.Pay).verdict == "escalate"
    assert not b.performed(m.Pay)
    b.edit("b1", m.Pay(amount=6), as_="ann", group="owners")
    if b.case("b1").reviews:  # the edit is a proposal of ann's own, for somebody else to approve
        b.approve("b1", as_="bob", group="owners")
    assert b.performed(m.Pay) == [m.Pay(amount=6)]
    b.hear(m.Received(bill="b2", text="12345"))
    b.reject("b2", as_="ann", group="owners")
    assert not b.case("b2").reviews
    with pytest.raises(LookupError, match="No review"):
        b.approve("b2", as_="ann", group="owners")


def test_time_passes_only_when_the_test_says_so(bills):
    b, m = bills.b, bills.m
    b.hear(m.Received(bill="b1", text="12345"))
    assert not b.performed(m.Remind)
    b.advance("2d 23h 59m")
    assert not b.performed(m.Remind)
    b.advance("1m")
    assert b.performed(m.Remind) == [m.Remind(to="owner")]


def test_a_crash_after_an_effect_is_recovered_and_happens_once(bills):
    b, m = bills.b, bills.m
    b.earned(m.Pay)
    b.crash(after=m.Pay)
    b.hear(m.Received(bill="b1", text="12345"))
    assert b.case("b1").in_doubt == [m.Pay]
    b.advance("1m")
    assert len(b.performed(m.Pay)) == 1
    assert b.case("b1").status == "paid"


def test_a_once_effect_whose_reply_is_lost_waits_for_a_persons_word(bills):
    b, m = bills.b, bills.m
    b.performs(m.Remind, loses_reply=True)
    b.hear(m.Received(bill="b1", text="12345"))
    b.advance("30d")
    assert len(b.performed(m.Remind)) == 1
    assert b.case("b1").in_doubt == [m.Remind]
    b.resolve("b1", m.Remind, happened=True, as_="ann")
    assert b.case("b1").in_doubt == []
    assert b.case("b1").record.past["remind"].count == 1


def test_an_outside_that_refuses_or_cannot_be_reached(bills):
    b, m = bills.b, bills.m
    b.earned(m.Pay)
    b.performs(m.Pay, fails="no such account")
    b.hear(m.Received(bill="b1", text="12345"))
    assert b.case("b1").flags == ("not paid",)
    b.performs(m.Pay, unreachable=True)
    b.hear(m.Received(bill="b2", text="12345"))
    assert b.case("b2").in_doubt == [m.Pay]
    b.performs(m.Pay)
    b.advance("10m")
    assert b.case("b2").status == "paid"
    assert len(b.performed(m.Pay)) == 1


def test_the_same_event_twice_is_one_and_another_body_a_conflict(bills):
    b, m = bills.b, bills.m
    b.hear(m.Received(bill="b1", text="12345"), id="e1")
    b.hear(m.Received(bill="b1", text="12345"), id="e1")
    assert sum(1 for entry in b.entries("b1") if entry.cause and entry.cause.id == "e1") == 1
    with pytest.raises(Conflict):
        b.hear(m.Received(bill="b1", text="other"), id="e1")


def test_a_call_is_decided_like_anything_else(bills):
    b, m = bills.b, bills.m
    b.silent(m.Read)
    b.hear(m.Received(bill="b1", text="12345"))
    b.call(m.Pay(amount=0), key="b1", principal="ann")
    assert b.last("b1").decided_by == ["nothing"]
    assert [one.action for one in b.valid("b1") if one.valid] == ["pay", "remind"]
    with pytest.raises(LookupError):
        b.case("nobody")


def test_two_benches_do_not_know_of_each_other(bills, tmp_path):
    other = Bench.load(tmp_path)
    bills.b.hear(bills.m.Received(bill="b1", text="12345"))
    with pytest.raises(LookupError):
        other.case("b1")
    other.close()


@pytest.mark.parametrize(
    ("text", "micros"), [("90s", 90_000_000), ("1m", 60_000_000), ("2h 30m", 9_000_000_000), ("14d", 1_209_600_000_000)]
)
def test_durations(text, micros):
    assert duration(text) == micros


@pytest.mark.parametrize("text", ["", "5", "1 year", "m1"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)
