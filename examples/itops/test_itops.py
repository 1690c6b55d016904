"""What must stay true of this automation."""

from automation import Alert, DropPartition, RestartService

from interlock.testing import Bench, laws


def test_fourth_restart_asks_a_person():
    b = Bench.load(__file__)
    b.hear(Alert(incident="i1", service="api", severity=2))
    for _ in range(4):
        b.call(RestartService(host="h", service="api"), key="i1", principal="agent:sre")
    assert b.last("i1").decided_by == ["restart_loop"]
    assert len(b.performed(RestartService)) == 3


def test_data_loss_needs_two_different_people():
    b = Bench.load(__file__)
    b.hear(Alert(incident="i1", service="db", severity=1))
    b.call(DropPartition(table="t", partition="p"), key="i1", principal="agent:sre")
    b.approve("i1", as_="ann", group="dba")
    b.approve("i1", as_="ann", group="dba")
    assert not b.performed(DropPartition)
    b.approve("i1", as_="bob", group="dba")
    assert len(b.performed(DropPartition)) == 1


test_laws = laws(__file__)
