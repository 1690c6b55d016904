"""The demonstration's automation: it loads, its policy says what its tests say, and its readers really read."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from interlock.automation.payloads import Picture, reading
from interlock.demo import world
from interlock.demo.cheques.scan import png
from interlock.demo.workspace import AUTOMATION
from interlock.policy import run_tests
from interlock.releases import load_effects, load_folder

pytestmark = pytest.mark.xdist_group("readers")


@pytest.fixture(scope="module")
def loaded() -> Any:
    return load_folder(AUTOMATION)


@pytest.fixture(scope="module")
def effects(loaded: Any) -> Any:
    return load_effects(loaded)


def test_the_policy_says_what_its_tests_say(loaded: Any) -> None:
    results = run_tests(loaded.policy)
    assert len(results) > 10
    assert [r for r in results if r.got != r.expected or r.violated or r.problem] == []


def test_there_are_about_thirteen_rules_with_reasons(loaded: Any) -> None:
    assert 13 <= len(loaded.policy.rules) <= 16
    assert all(rule.reason for rule in loaded.policy.rules)


def ask(effects: Any, loaded: Any, reader: str, picture: bytes) -> Any:
    question = loaded.definition.questions["ReadAmount"].type(box=Picture("d"))
    with reading(lambda digest: picture):
        return effects.advisors["ReadAmount", reader].run(question)


@pytest.mark.parametrize("reader", ["svm", "trees"])
def test_a_reader_reads_handwriting_it_has_not_seen(effects: Any, loaded: Any, reader: str) -> None:
    pixels, what_each_is = world.digits()
    morning = world.compose(3, 150, datetime(2026, 1, 1, tzinfo=UTC), [int(digit) for digit in what_each_is])
    right = 0
    for one in morning.written:
        advice = ask(effects, loaded, reader, png(pixels[morning.boxes[one.cheque]]))
        right += advice.value.amount == Decimal(one.amount).scaleb(-2)
        assert 0 <= advice.score <= 1
    assert 0.8 < right / 150 < 1, "good, and not perfect: nobody has shown it these digits"


def test_no_cheque_is_written_with_what_a_reader_has_learnt(effects: Any) -> None:
    learnt, _ = effects.advisors["ReadAmount", "svm"].run.__globals__["training_half"]()
    unseen, _ = world.digits()
    assert not {row.tobytes() for row in learnt} & {row.tobytes() for row in unseen}


def test_an_empty_box_is_not_guessed(effects: Any, loaded: Any) -> None:
    pixels, _ = world.digits()
    for reader in ("svm", "trees"):
        with pytest.raises(ValueError, match="without ink"):
            ask(effects, loaded, reader, png(pixels[:4] * 0))
