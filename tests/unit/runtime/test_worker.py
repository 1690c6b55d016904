"""One case through the whole path, on the real kernel and store."""

from __future__ import annotations

from tests.unit.runtime.tiny import World, event


def test_an_event_is_asked_decided_performed_and_settled():
    world = World()
    world.start()
    world.accept(event("c1", "e1"))
    world.settle()
    case = world.case("c1")
    assert case.status == "paid"
    assert case.past["pay"].count == 1
    assert [one.action for one in world.outside.performed] == ["pay"]
    assert not case.effects
    assert not case.questions
    assert not world.store.open_commands()
