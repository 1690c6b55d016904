"""Every scenario in this folder is what really happens.

After a change that is meant, write them anew and read the difference (docs/howto/simulate.md says how).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.testing.scenarios import ScenarioError, compare, parse, play, regenerate
from interlock.testing.simulator.simulation import WORKLOAD

pytestmark = pytest.mark.scenarios

FILES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_happens_as_it_is_written(path: Path) -> None:
    difference = compare(path, automation=WORKLOAD)
    assert not difference, "\n" + difference


def test_a_difference_is_shown_and_can_be_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("# Why: an example.\n\nevent Placed order=o1 total=80.00\n----\no1.1 nothing\n")
    assert "+o1.1 event Placed e1 from shop: now open" in compare(path, automation=WORKLOAD)
    assert regenerate(path, automation=WORKLOAD)
    assert not compare(path, automation=WORKLOAD)
    assert not regenerate(path, automation=WORKLOAD)


def test_a_scenario_opens_with_its_reason() -> None:
    with pytest.raises(ScenarioError, match="line 1"):
        parse("event Placed order=o1\n----\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("evnet Placed order=o1", "there is no command 'evnet'"),
        ("event Place order=o1", "Place"),
        ("approve o1 desk", "nobody has heard of o1"),
    ],
)
def test_what_cannot_be_done_names_its_line(command: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=r"line 3: ") as raised:
        play(f"# Why: an example.\n\n{command}\n----\n", Path(), automation=WORKLOAD)
    assert said in str(raised.value)
