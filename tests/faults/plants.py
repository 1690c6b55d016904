"""Mistakes planted into the program, to see that the suite finds them: `--plant NAME`.

Each is one that a change could really make. They are planted before the first fork, so every process of a run has
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

from interlock.kernel import accounts, on_result
from interlock.runtime import turns
from interlock.store import door


def start_not_recorded() -> None:
    """An effect is carried out without the turn that records its start."""
    turns._Turns._perform = lambda self, record, lease: self._take(lease)  # type: ignore[method-assign]


def once_is_tried_again() -> None:
    """A once effect with an unknown outcome is tried again, as an idempotent one would be."""
    real = on_result._performed

    def planted(work: Any, effect: Any, spec: Any, body: Any) -> None:
        real(work, effect, structs.replace(spec, kind="idempotent") if spec.kind == "once" else spec, body)

    on_result._performed = planted


def a_lost_effect_did_not_happen() -> None:
    """What a dead or silent worker had in hand is taken for not done."""
    real = turns.lost_outcome

    def planted(lease: Any, now: int) -> Any:
        found = real(lease, now)
        if found is not None and lease.command.what == "perform":
            return structs.replace(found, body=structs.replace(found.body, outcome="not_happened"))
        return found

    turns.lost_outcome = planted


def a_stale_result_settles() -> None:
    """The word of an earlier attempt, or of a worker that was thought dead, is taken for that of the present one."""
    real = on_result._of_earlier_attempt

    def planted(work: Any, effect: Any, spec: Any, body: Any) -> None:
        if body.phase == "perform":
            on_result._performed(work, effect, spec, body)
        else:
            real(work, effect, spec, body)

    on_result._of_earlier_attempt = planted


def the_door_forgets() -> None:
    """What was accepted is not remembered: the same message is taken again."""
    real = door.prepare
    door.prepare = lambda batch, n: [(slot, m, b"", body) for slot, m, _, body in real(batch, n)]


def acknowledged_and_not_kept() -> None:
    """Some messages are acknowledged before they are written, and are not."""
    real = door.accept

    def planted(db: Any, batch: Any, now: int) -> Any:
        if any(message.id == "e1" for _, message, _, _ in batch):
            return [door.Accepted(slot) for slot, *_ in batch]
        return real(db, batch, now)

    door.accept = planted


def every_reservation_is_granted() -> None:
    """Budgets have no limit."""
    real = accounts._reserve
    accounts._reserve = lambda state, key, body: real(state, key, structs.replace(body, limit=10**9))


PLANTS: Mapping[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        start_not_recorded,
        once_is_tried_again,
        a_lost_effect_did_not_happen,
        a_stale_result_settles,
        the_door_forgets,
        acknowledged_and_not_kept,
        every_reservation_is_granted,
    )
}
