"""Users' functions on plain data: drafts, messages, requests, and what is refused of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.automation.modules import forget
from interlock.kernel.program import (
    Ask,
    CancelAction,
    CancelTimer,
    Flag,
    MessageView,
    Propose,
    Rejected,
    SetTimer,
)
from interlock.releases import Release, load_release
from interlock.vocabulary.advice import Answer
from tests.unit.automation.written import write

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NOW = 1_767_225_600_000_000  # 2026-01-01


def view(kind: str, type: str, data: Any = None, **rest: Any) -> MessageView:
    return MessageView(kind, type, "e1", "tests", "ann", NOW - 5, NOW, data or {}, **rest)


@pytest.fixture(scope="module")
def cheques() -> Release:
    return load_release(EXAMPLES / "cheques")


@pytest.fixture(scope="module")
def refunds() -> Release:
    return load_release(EXAMPLES / "refunds")


PRESENTED = {"cheque": "c1", "box": {"digest": "ab", "media_type": "image/png"}}


def test_a_case_from_event_to_proposal(cheques: Release) -> None:
    reducers = cheques.program.reducers
    state, status, schema = reducers.initial()
    assert (status, schema.partition(":")[0]) == ("expected", "Cheque")
    after = reducers.reduce(state, status, view("event", "Presented", PRESENTED))
    assert (after.status, after.requests) == ("presented", ())
    assert state["status"] == "expected"  # a draft is a copy
    funded = reducers.reduce(
        after.state, "presented", view("event", "FundsReported", {"cheque": "c1", "available": "500"})
    )
    (asked,) = funded.requests
    assert isinstance(asked, Ask)
    assert asked.fields == {"box": PRESENTED["box"]}
    answered = view(
        "answered",
        "ReadAmount",
        question=asked.fields,
        answer=Answer({"amount": "120"}, 980_000),
        advisor="svm",
        rank=1,
    )
    read = reducers.reduce(funded.state, "presented", answered)
    assert read.requests == (Propose("pay", {"amount": "120"}, fits=True),)
    assert read.state == funded.state
    again = reducers.reduce(funded.state, "presented", answered)
    assert again == read


def test_facts_are_what_policies_see(cheques: Release, refunds: Release) -> None:
    state, _, _ = cheques.program.reducers.initial()
    assert cheques.program.reducers.facts({**state, "box": PRESENTED["box"]}) == {
        "status": "expected",
        "stopped": False,
        "frozen": False,
    }
    state, _, _ = refunds.program.reducers.initial()
    assert "message" not in refunds.program.reducers.facts({**state, "message": "personal"})


def test_timers_cancellations_and_flags(cheques: Release) -> None:
    reducers = cheques.program.reducers
    state, _, _ = reducers.initial()
    held = reducers.reduce(
        {**state, "status": "presented"}, "presented", view("done", "hold", {"why": "x"}, result=None)
    )
    assert held.requests == (SetTimer("HoldExpired", delay=2 * 86_400_000_000),)
    stop = view("event", "StopPayment", {"cheque": "c1"})
    stopped = reducers.reduce(held.state, "held", stop)
    assert stopped.requests == (CancelAction("pay"), Propose("return_unpaid", {"why": "stopped"}, fits=True))
    paid = reducers.reduce(held.state, "held", view("done", "pay", {"amount": "1"}, result={"id": "t"}))
    assert paid.requests == (CancelTimer("HoldExpired"),)
    assert reducers.reduce(paid.state, "paid", stop).requests == (Flag("A stop arrived after the payment."),)


def test_the_status_beside_the_state_decides(cheques: Release) -> None:
    reducers = cheques.program.reducers
    state, _, _ = reducers.initial()
    after = reducers.reduce(state, "held", view("event", "AccountFrozen", {"cheque": "c1"}))
    assert (after.status, after.state["status"]) == ("held", "held")


def test_question_digests_name_fields_and_who_is_asked(cheques: Release) -> None:
    reducers = cheques.program.reducers
    state = {**reducers.initial()[0], "status": "presented", "funds": "5"}

    def asked(digest: str) -> str:
        box = {"digest": digest, "media_type": "image/png"}
        (request,) = reducers.reduce(
            {**state, "box": box}, "presented", view("event", "FundsReported", {"cheque": "c1", "available": "5"})
        ).requests
        assert isinstance(request, Ask)
        return request.digest

    assert asked("a") == asked("a")
    assert asked("a") != asked("b")
    assert cheques.manifest.questions()["ReadAmount"].component


@pytest.mark.usefixtures("vault")
def test_an_upcaster_brings_an_old_state_up_to_date(refunds: Release) -> None:
    old = refunds.loaded.definition.upcasts[0].schema
    state, schema = refunds.program.reducers.current({"status": "closed", "order_id": "o7", "total_cents": 1250}, old)
    assert (state["status"], state["order"]["total"]) == ("closed", "12.5")
    assert schema == refunds.loaded.definition.schemas["Ticket"]
    assert refunds.program.reducers.current(state, schema) == (state, schema)
    gained, _ = refunds.program.reducers.current({"status": "open"}, "Ticket:0000000000000000")
    assert gained["refunded"] == "0"  # a field with a default needs no upcaster
    with pytest.raises(ValueError, match=r"no @app\.upcast takes it"):
        refunds.program.reducers.current({"status": "open", "colour": "red"}, "Ticket:0000000000000000")
    with pytest.raises(ValueError, match=r"no @app\.upcast takes it"):
        refunds.program.reducers.current({}, "Something:0")


@pytest.mark.usefixtures("vault")
def test_answers_that_are_actions_need_no_reducer(tmp_path: Path, refunds: Release) -> None:
    text = (EXAMPLES / "refunds" / "automation.py").read_text()
    start = text.index("@app.on\ndef proposed(")
    end = text.index("@app.on\ndef nobody(")
    folder = tmp_path / "refunds"
    folder.mkdir()
    for file in ("effects.py", "shop.py", "advisors.py", "policy.yaml", "release.toml"):
        (folder / file).write_text((EXAMPLES / "refunds" / file).read_text())
    (folder / "prompts").mkdir()
    (folder / "prompts" / "triage.md").write_text("{message}")
    (folder / "automation.py").write_text(text[:start] + text[end:])
    without = load_release(folder).program.reducers
    question = {"message": "", "order": {"id": "o", "total": "5"}, "refunded": "0", "photo": None}
    answer = Answer({"action": "refund", "amount": "5", "reason": "late"}, 900_000)
    message = view("answered", "Triage", question=question, answer=answer, advisor="large", rank=1)
    state, status, _ = without.initial()
    state = refunds.program.reducers.reduce(state, status, message).state  # With what is personal in it sealed.
    assert without.reduce(state, status, message) == refunds.program.reducers.reduce(state, status, message)


def test_fallbacks_are_given_the_refused_action(cheques: Release) -> None:
    reducers = cheques.program.reducers
    state, status, _ = reducers.initial()
    assert reducers.fallback("ask_again", state, status, "pay", {"amount": "5"}).action == "ask_customer"
    with pytest.raises(Rejected, match="ask_again takes pay, not hold"):
        reducers.fallback("ask_again", state, status, "hold", {"why": "x"})
    with pytest.raises(Rejected, match="no fallback"):
        reducers.fallback("nothing", state, status, "pay", {"amount": "5"})


# --- what a reducer may not do -------------------------------------------------------------------------------------


def reduced(tmp_path: Path, body: str, kind: str = "event") -> Any:
    """Run a reducer for `Opened` with this body."""
    folder = write(
        tmp_path / "tickets", {"automation.py": ("    case.total = event.total\n    return consider(case)\n", body)}
    )
    forget(folder)
    reducers = load_release(folder).program.reducers
    state, status, _ = reducers.initial()
    return reducers.reduce(state, status, view("event", "Opened", {"ticket": "t", "total": "5"}))


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("    return case\n", TypeError, "returned Ticket; a reducer returns"),
        ("    return [consider(case)]\n", TypeError, "returned list"),
        ("    return (1,)\n", TypeError, "returned int"),
        ("    return propose(Pay(amount=event.total), because=case)\n", TypeError, "because= is the message"),
        ("    return propose(Pay(amount=event.total), because='')\n", TypeError, "because= is the message"),
        (
            "    return propose(Pay(amount=event.total), because=event, compensates=Ticket)\n",
            TypeError,
            "compensates= is an action class of this automation; not Ticket",
        ),
        ("    return (ask(Amount(total=event.total)),) * 65\n", TypeError, "65 requests"),
        ("    case.total = 'much'\n", ValueError, "left the case invalid: total"),
        ("    case.total = -event.total\n", ValueError, "left the case invalid: total"),
        ("    case.status = 'gone'\n", ValueError, "left the case invalid: status"),
        ("    case.__dict__['new'] = 1\n", ValueError, "left the case invalid: new"),
        ("    event.total = 1\n", ValueError, "frozen"),
        ("    return 1 / 0\n", ZeroDivisionError, "division"),
    ],
)
def test_refused(tmp_path: Path, body: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        reduced(tmp_path, body)


def test_words_are_a_reason_too(tmp_path: Path) -> None:
    done = reduced(tmp_path, "    return propose(Pay(amount=event.total), because='seen before')\n")
    assert done.requests == (Propose("pay", {"amount": "5"}, "seen before", fits=True),)


def test_what_is_to_be_made_good_is_named_as_the_kernel_knows_it(tmp_path: Path) -> None:
    done = reduced(tmp_path, "    return propose(Pay(amount=event.total), because=event, compensates=Pay)\n")
    assert done.requests == (Propose("pay", {"amount": "5"}, fits=True, compensates="pay"),)


def test_arguments_that_slipped_past_the_type_are_named(tmp_path: Path) -> None:
    done = reduced(tmp_path, "    return propose(Pay.model_construct(amount=-event.total), because=event)\n")
    (proposal,) = done.requests
    assert proposal.args == {"amount": "-5"}
    assert "amount" in proposal.invalid


def test_messages_know_where_they_came_from(tmp_path: Path) -> None:
    body = "    case.total = Money.__origin__(event.meta.now.year) if event.meta.principal == 'ann' else None\n"
    assert reduced(tmp_path, body).state["total"] == "2026"


def test_meta_belongs_to_received_messages(cheques: Release) -> None:
    event = cheques.loaded.wire.sample(cheques.loaded.definition.events["StopPayment"].type)
    with pytest.raises(AttributeError, match="was not received"):
        _ = event.meta
