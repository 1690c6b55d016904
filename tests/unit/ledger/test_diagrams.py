"""The pictures are made from the tables."""

from __future__ import annotations

from pathlib import Path

from interlock.kernel.lifecycle import TRANSITIONS
from interlock.ledger import effect_diagram, flow_diagram, lifecycle_page
from tests.unit.ledger.driving import release_of

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "lifecycle.md"


def test_the_page_in_the_documents_is_the_one_made_from_the_table() -> None:
    make = "from interlock.ledger import lifecycle_page; print(lifecycle_page(), end='')"
    assert PAGE.read_text() == lifecycle_page(), f'run: ./dev exec python -c "{make}" > docs/reference/lifecycle.md'


def test_every_move_of_an_effect_is_an_arrow() -> None:
    drawn = effect_diagram()
    arrows = {(status, target) for status, targets in TRANSITIONS.items() for target in targets if target != status}
    assert all(f"    {status} --> {target}" in drawn.splitlines() for status, target in arrows)
    assert sum("-->" in line and "[*]" not in line for line in drawn.splitlines()) == len(arrows)


def test_a_flow_shows_statuses_moves_and_the_actions_valid_in_each() -> None:
    drawn = flow_diagram(release_of("cheques").program).splitlines()
    assert "    [*] --> s_expected" in drawn
    assert "    s_held --> s_paid" in drawn
    assert "    s_paid --> [*]" in drawn
    (held,) = [line for line in drawn if line.endswith(" as s_held")]
    assert "pay (irreversible, checkable)" in held
    assert "release_hold (reversible, idempotent)" in held
