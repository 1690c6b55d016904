"""The morning is the same for the same seed, and its handwriting is new to the readers."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from interlock.demo import world
from interlock.demo.cheques.scan import png, shades

STARTED = datetime(2026, 1, 5, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def morning() -> world.Morning:
    return world.compose(7, 800, STARTED, [int(digit) for digit in world.digits()[1]])


def test_the_same_seed_is_the_same_morning(morning: world.Morning) -> None:
    what = [int(digit) for digit in world.digits()[1]]
    assert world.compose(7, 800, STARTED, what) == morning
    assert world.compose(8, 800, STARTED, what) != morning


def test_the_box_says_what_is_written(morning: world.Morning) -> None:
    what = [int(digit) for digit in world.digits()[1]]
    for one in morning.written:
        assert "".join(str(what[index]) for index in morning.boxes[one.cheque]) == str(one.amount)
        assert 3 <= len(str(one.amount)) <= 6


def test_everything_that_may_happen_happens(morning: world.Morning) -> None:
    assert {one.stop for one in morning.written} == {"", "before", "during", "after"}
    for what in ("frozen", "stale", "forged", "blank"):
        assert any(getattr(one, what) for one in morning.written), what
    told = Counter((said.event["source"], said.event["id"]) for said in morning.said)
    assert max(told.values()) > 1, "the same message twice"
    assert any(said.event["id"].endswith("presented-again") for said in morning.said)
    place = {said.event["id"]: number for number, said in enumerate(morning.said)}
    at = {said.event["id"]: said.event["occurred_at"] for said in morning.said}
    pairs = [(f"{one.cheque}-funds", f"{one.cheque}-presented") for one in morning.written]
    assert any(place[funds] < place[presented] for funds, presented in pairs), "early"
    assert any(place[f] > place[p] and at[f] < at[p] for f, p in pairs), "late"


def test_events_tell_nothing_of_the_truth(morning: world.Morning) -> None:
    fields = {name for said in morning.said for name in said.event["data"]}
    assert fields == {"cheque", "box", "written_at", "available"}


def test_a_scan_comes_back_as_it_was() -> None:
    pixels, _ = world.digits()
    assert (shades(png(pixels[:6])) == pixels[:6]).all()


@pytest.mark.parametrize("picture", [b"", b"GIF89a" * 9, png(world.digits()[0][:2])[:50]])
def test_what_is_not_a_scan_is_refused(picture: bytes) -> None:
    with pytest.raises(ValueError, match=r"the box is|Error -|unpack"):
        shades(picture)
