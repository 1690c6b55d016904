"""Which worker takes which slot first: each slot exactly one, evenly, and nobody's for long."""

from collections import Counter

from interlock.runtime.sharing import PATIENCE_US, Sharing

SLOTS = range(256)
WORKERS = ("w1", "w2", "w3", "w4")


def fleet(*names: str, hosts: dict[str, set[str]] | None = None) -> dict[str, Sharing]:
    hosting = hosts or {name: {"bills"} for name in names}
    made = {name: Sharing(name) for name in names}
    for name, sharing in made.items():
        sharing.live(hosting, hosting[name])
    return made


def owners(made: dict[str, Sharing]) -> dict[int, str]:
    found = {slot: [name for name, sharing in made.items() if sharing.is_ours(slot)] for slot in SLOTS}
    assert all(len(names) == 1 for names in found.values()), "each slot is one worker's"
    return {slot: names[0] for slot, names in found.items()}


def test_each_slot_is_one_workers_and_all_have_about_as_many():
    counted = Counter(owners(fleet(*WORKERS)).values())
    assert set(counted) == set(WORKERS)
    assert min(counted.values()) > 40 and max(counted.values()) < 90


def test_when_a_worker_goes_only_its_slots_change_hands():
    before, after = owners(fleet(*WORKERS)), owners(fleet(*WORKERS[:-1]))
    assert {slot for slot in SLOTS if before[slot] != after[slot]} == {s for s in SLOTS if before[s] == WORKERS[-1]}


def test_who_knows_of_nobody_else_takes_everything_at_once():
    assert Sharing("w1").split({3, 1, 2}, 0) == ([1, 2, 3], [])


def test_a_slot_of_another_worker_is_taken_when_its_work_has_waited():
    mine = fleet("w1", "w2")["w1"]
    theirs = next(slot for slot in SLOTS if not mine.is_ours(slot))
    assert mine.split({theirs}, 0) == ([], [])
    assert mine.split({theirs}, PATIENCE_US - 1) == ([], [])
    assert mine.split({theirs}, PATIENCE_US) == ([], [theirs])
    assert mine.split({theirs}, PATIENCE_US + 1) == ([], []), "it was just taken"
    assert mine.split({theirs}, 2 * PATIENCE_US) == ([], [theirs])


def test_work_that_was_done_meanwhile_has_not_waited():
    mine = fleet("w1", "w2")["w1"]
    theirs = next(slot for slot in SLOTS if not mine.is_ours(slot))
    mine.split({theirs}, 0)
    mine.split(set(), PATIENCE_US // 2)
    assert mine.split({theirs}, PATIENCE_US) == ([], [])


def test_a_worker_that_does_not_host_everything_has_no_slot_of_ours():
    made = fleet("w1", "w2", hosts={"w1": {"bills", "claims"}, "w2": {"bills"}})
    assert all(made["w1"].is_ours(slot) for slot in SLOTS), "claims would wait in its slots"
    assert not all(made["w2"].is_ours(slot) for slot in SLOTS), "what w2 hosts, w1 does as well"
