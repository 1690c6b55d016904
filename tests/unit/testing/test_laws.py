"""The laws hold for a sound automation, and each planted mistake breaks the law that forbids it."""

from __future__ import annotations

import pytest

from interlock.testing import laws
from interlock.testing.lawbook import Broken, Impure, judge
from interlock.testing.outside import Outside
from interlock.testing.stage import Stage
from tests.unit.testing.small import write


def test_a_sound_automation_keeps_them(tmp_path):
    laws(write(tmp_path))()


@pytest.mark.parametrize(
    ("plant", "law"),
    [
        ("raise ValueError('I do not like notes')", "Law 2"),
        ("case.note = 'x' * 200", "Law 2"),
        ("case.status = 'paid'", ""),
        ("return propose(Pay(amount=3), because=event)", ""),
        ("case.seen += 1", ""),
    ],
)
def test_what_a_reducer_may_and_may_not_do(tmp_path, plant, law):
    folder = write(tmp_path, plant)
    if law:
        with pytest.raises(Broken, match=law):
            laws(folder)()
    else:
        laws(folder, crashes=8)()


def test_an_undeclared_move_is_found(tmp_path):
    change = ('to=("paid",)), "paid": status(Remind)', 'to=("paid",)), "paid": status(Remind), "gone": status()')
    folder = write(tmp_path, automation=change)
    text = (folder / "automation.py").read_text()
    text = text.replace('Literal["open", "paid"]', 'Literal["open", "paid", "gone"]')
    text = text.replace('status(Pay, Remind, to=("paid",))', 'status(Pay, Remind, to=("paid", "gone"))')
    text = text.replace("    case.note = event.note\n", "    case.note = event.note\n    case.status = 'gone'\n")
    (folder / "automation.py").write_text(text)
    with pytest.raises(Broken, match=r"Law 2.*does not allow paid -> gone"):
        laws(folder)()


def test_a_reducer_that_remembers_is_impure(tmp_path, monkeypatch):
    from interlock.automation.reducing import UserReducers

    real, calls = UserReducers.reduce, [0]

    def remembers(self, state, status, message):
        calls[0] += 1
        done = real(self, state, status, message)
        return type(done)({**done.state, "seen": calls[0]}, done.status, done.requests)

    monkeypatch.setattr(UserReducers, "reduce", remembers)
    with pytest.raises(Impure, match="two results"):
        laws(write(tmp_path))()


def test_a_reducer_that_opens_a_file_is_impure(tmp_path, monkeypatch):
    from interlock.automation.reducing import UserReducers

    real = UserReducers.reduce

    def reads(self, state, status, message):
        open(__file__).close()  # noqa: PTH123
        return real(self, state, status, message)

    monkeypatch.setattr(UserReducers, "reduce", reads)
    with pytest.raises(Impure, match="touches the outside"):
        laws(write(tmp_path))()


def test_an_effect_that_happens_twice_is_found(tmp_path, monkeypatch):
    real = Outside.perform

    async def twice(self, command):
        done = await real(self, command)
        await real(self, command)
        return done

    monkeypatch.setattr(Outside, "perform", twice)
    with pytest.raises(Broken, match="Law 3"):
        laws(write(tmp_path))()


def test_an_effect_without_a_start_is_found(tmp_path):
    from interlock.releases import load_release
    from interlock.testing.outside import Booking
    from interlock.vocabulary.ids import CaseId

    stage = Stage(load_release(write(tmp_path)))
    stage.outside.books.append(Booking(CaseId("bills", "b1"), "bills/b1/1.0", "pay", {"amount": "1"}, "k", 1, None))
    with pytest.raises(Broken, match="Law 4"):
        judge(stage)
    stage.close()
