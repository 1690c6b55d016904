"""Bad input at the doors that users have: files and command lines, and `Interlock` in their own program.

What is refused leaves nothing; the message says what was wrong, where, and what would be right.
"""

import asyncio
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from interlock import Interlock
from interlock.runtime.inbox import call_envelope, event_envelope, read_lines
from interlock.vocabulary.errors import Conflict, NotFound, Refused
from interlock.vocabulary.limits import DEPTH_MAX, EVENT_BYTES_MAX
from tests.acceptance.cli_session import interlock
from tests.acceptance.parcel_office import book, case, cases, event, office, ordered, submit, work

HEAD = '{"type": "Ordered", "id": "x", "source": "shop", "data": {"parcel": "p", "price": '
DEEP = "[" * (DEPTH_MAX + 2) + "]" * (DEPTH_MAX + 2)

LINES: list[tuple[bytes, str]] = [
    (b"{", "Not JSON: Expecting property name enclosed in double quotes at line 1, column 2."),
    (b'{"type": "Ordered", "id": "x", "data": {}} {}', "Not JSON: Extra data at line 1"),
    (b"[]", "An event is a JSON object, not list."),
    (b'"Ordered"', "An event is a JSON object, not str."),
    (b'{"type": "Orderd", "id": "x", "source": "s", "data": {}}', "unknown event type 'Orderd'. Did you mean Ordered?"),
    (b'{"typ": "Ordered", "id": "x", "data": {}}', "Unknown field 'typ'. Did you mean type?"),
    (b'{"type": "Ordered", "source": "s", "data": {}}', "The event has no id."),
    (b'{"type": "Ordered", "id": 7, "source": "s", "data": {}}', "The event has no id."),
    (b'{"type": "Ordered", "id": "a\\u0000b", "source": "s", "data": {}}', "cannot be printed"),
    (b'{"type": "Ordered", "id": "x", "source": "s", "data": 5}', "Ordered"),
    (b'{"type": "Ordered", "id": "x", "source": "s", "data": {"parcel": "p"}}', "price: Field required"),
    (b'{"type": "Ordered", "id": "x", "source": "s", "data": {"price": "1"}}', "parcel"),
    ((HEAD + '"much"}}').encode(), "price:"),
    ((HEAD + "true}}").encode(), "price:"),
    ((HEAD + '"1.005"}}').encode(), "price:"),
    ((HEAD + '"-1"}}').encode(), "price:"),
    ((HEAD + '"1", "copies": "two"}}').encode(), "copies:"),
    ((HEAD + '"1", "copies": 11}}').encode(), "copies:"),
    ((HEAD + '"1", "copies": 1.5}}').encode(), "copies:"),
    ((HEAD + '"1", "colour": "red"}}').encode(), "colour:"),
    ((HEAD + "NaN}}").encode(), "NaN is not a number."),
    ((HEAD + "-Infinity}}").encode(), "-Infinity is not a number."),
    ((HEAD + "1e999999}}").encode(), "out of range"),
    ((HEAD + '"NaN"}}').encode(), "price:"),
    ((HEAD + '"Infinity"}}').encode(), "price:"),
    ((HEAD + "1" * 5_000 + "}}").encode(), "An integer of 5000 digits; at most 256 bits are taken."),
    ((HEAD + str(2**257) + "}}").encode(), "an integer of more than 256 bits"),
    ((HEAD + DEEP + "}}").encode(), f"nested deeper than {DEPTH_MAX} levels"),
    (b"[" * 100_000, "ested deeper than"),
    ((HEAD + '"1", "price": "2"}}').encode(), "The key 'price' stands twice in one object."),
    ((HEAD + '"1", "advice": "\\ud800"}}').encode(), "$.data.advice: a lone surrogate at character 0"),
    ((HEAD + '"1", "\\udfff": 1}}').encode(), "lone surrogate"),
    (HEAD.encode() + b'"1", "advice": "\xff\xfe"}}', "Not UTF-8 at byte"),
    ((HEAD + '"1"}}').encode("utf-16"), "Not UTF-8"),
    ((HEAD + '"1", "advice": "' + "x" * EVENT_BYTES_MAX + '"}}').encode(), f"at most {EVENT_BYTES_MAX} are taken"),
    ((HEAD + '"1"}, "occurred_at": "yesterday"}').encode(), "occurred_at 'yesterday' is not a time."),
    ((HEAD + '"1"}, "occurred_at": "2026-01-01T00:00:00"}').encode(), "names no time zone"),
    ((HEAD + '"1"}, "occurred_at": "1969-01-01T00:00:00Z"}').encode(), "lies before 1970"),
    (f'{{"type": "Ordered", "id": "{"i" * 201}", "data": {{}}}}'.encode(), "id has 201 characters; at most 200"),
    (f'{{"type": "Ordered", "id": "x", "data": {{"parcel": "{"p" * 300}", "price": "1"}}}}'.encode(), "parcel"),
]


@pytest.fixture(scope="module")
def parcels_office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def folder(parcels_office: Path, tmp_path: Path) -> Path:
    made = tmp_path / "parcels"
    shutil.copytree(parcels_office, made)
    return made


def test_every_bad_line_of_a_file_is_named_and_nothing_is_accepted(folder: Path) -> None:
    good = json.dumps(ordered("good")).encode()
    (folder / "bad.jsonl").write_bytes(
        b"\n".join([b"\xef\xbb\xbf" + good, *(line.replace(b"\n", b" ") for line, _ in LINES), good])
    )
    told = interlock(folder, "submit", "--file", "bad.jsonl", "--json", code=1).data
    found = {one["line"]: one["message"] for one in told["problems"]}
    assert sorted(found) == list(range(2, len(LINES) + 2))
    for number, (line, words) in enumerate(LINES, 2):
        assert words in found[number], (line[:100], found[number][:300])
        assert len(found[number]) < 600, "a message does not repeat a megabyte"
    assert told["accepted"] == 0
    assert not (folder / "interlock.db").exists()
    shown = interlock(folder, "submit", "--file", "bad.jsonl", code=1).err
    assert "bad.jsonl:2: Not JSON" in shown and "nothing was accepted" in shown and "--keep-going" in shown
    some = interlock(folder, "submit", "--file", "bad.jsonl", "--keep-going", "--json", code=1).data
    assert (some["accepted"], some["duplicate"], some["refused"]) == (1, 1, len(LINES))


def test_one_event_on_the_command_line(folder: Path) -> None:
    (folder / "bad.json").write_bytes(b'{"parcel": "\xff"}')
    for arguments, code, words in (
        (("Orderd", "--data", "{}"), 1, "Did you mean Ordered?"),
        (("Ordered", "--data", "{"), 1, "--data: Not JSON"),
        (("Ordered", "--data", "@bad.json"), 1, "--data: Not UTF-8 at byte 12."),
        (("Ordered", "--data", "@none.json"), 4, "none.json: No such file"),
        (("Ordered",), 2, "--data"),
        (("--file", "none.jsonl"), 4, "none.jsonl"),
        (("Ordered", "--key", "q", "--data", '{"parcel": "p", "price": "1"}'), 1, "names case 'q', the data case 'p'"),
    ):
        told = interlock(folder, "submit", *arguments, code=None)
        assert told.code == code and words in told.err, (arguments, str(told))
    assert not (folder / "interlock.db").exists()


def test_the_same_id_with_another_body(folder: Path) -> None:
    one, other = ordered("p"), {**ordered("p"), "data": {"parcel": "p", "price": "20.00"}}
    submit(folder, one)
    (folder / "again.jsonl").write_text(json.dumps(one) + "\n" + json.dumps(other) + "\n")
    told = interlock(folder, "submit", "--file", "again.jsonl", "--json", code=1).data
    assert (told["accepted"], told["duplicate"], told["conflict"]) == (0, 1, 1)
    assert "'o-p' of 'shop' was accepted before with other content." in told["problems"][0]["message"]
    work(folder)
    # Kept for ever: also when the first has long been handled.
    assert interlock(folder, "submit", "--file", "again.jsonl", "--json", code=1).data["conflict"] == 1
    assert [line["amount"] for line in book(folder, "charges")] == ["10.00"]


def test_calls_that_do_not_fit(folder: Path) -> None:
    for arguments, words in (
        (("pay",), "unknown action 'pay'"),
        (("chrge",), "Did you mean charge?"),
        (("charge", "--args", '{"amount": "1"}'), "parcel: Field required"),
        (("letter", "--args", '{"parcel": "p", "effect": "good", "cc": "boss"}'), "cc: Extra inputs"),
        (("charge", "--args", '{"parcel": "p", "amount": NaN, "effect": "good"}'), "NaN is not a number"),
        (("charge", "--args", '{"parcel": "p", "amount": "1e3", "effect": "\\ud800"}'), "surrogate"),
        (("charge", "--args", "[]"), "charge"),
    ):
        told = interlock(folder, "do", *arguments, "--key", "p", "--as", "ann", code=1)
        assert words in told.err, (arguments, str(told))
    assert not (folder / "interlock.db").exists()


def test_a_program_is_told_by_exceptions_and_its_other_events_go_on(folder: Path) -> None:
    async def story() -> list[str]:
        said: list[str] = []

        def told(code: str, error: BaseException | None) -> None:
            assert isinstance(error, Refused), error
            assert error.code == code, (code, error.code, error)
            said.append(str(error))

        async with Interlock.open(folder / "own.db") as il:
            from interlock.releases import load_release

            release = load_release(folder)
            il.host(release)
            from interlock.assembly import Handle

            handle: Handle[Any] = Handle(il, release)
            modules = release.loaded.definition
            ordered_type: Any = modules.events["Ordered"].type
            charge: Any = modules.actions["charge"].type
            good = ordered_type(parcel="p", price=Decimal("1.00"))
            await handle.submit(good, id="e1", source="s")
            await handle.submit(good, id="e1", source="s")
            hacked = good.model_copy(update={"price": Decimal("NaN")})
            for wrong, id, source, code in (
                (good.model_copy(update={"price": Decimal("2.00")}), "e1", "s", "conflict"),
                (hacked, "e2", "s", "bad_event"),
                (good.model_copy(update={"copies": 10**400}), "e3", "s", "bad_event"),
                (good, "", "s", "bad_name"),
                (good, "e4", "a\nb", "bad_name"),
                (good, "\ud800", "s", "bad_name"),
                (charge(parcel="p", amount=Decimal(1), effect="good"), "e5", "s", "bad_event"),
            ):
                try:
                    await handle.submit(wrong, id=id, source=source)
                except Refused as error:
                    told(code, error)
                else:
                    raise AssertionError((wrong, id))
            with pytest.raises(Conflict):
                await handle.submit(good.model_copy(update={"copies": 2}), id="e1", source="s")
            with pytest.raises(Refused, match="key"):
                await handle.call(
                    charge(parcel="p", amount=Decimal(1), effect="good"), key="", id="c1", principal="ann"
                )
            with pytest.raises(NotFound):
                await handle.approve("parcels/p/9.9", group="office", principal="ann")
            with pytest.raises(Refused):
                await handle.explain("nothing of ours")
            snapshot = await handle.settled("p")
            assert sorted(snapshot.state.done) == ["charge", "label", "letter"]
        return said

    said = asyncio.run(story())
    assert len(said) == 7
    assert [line["amount"] for line in book(folder, "charges")] == ["1.00"]
    interlock(folder, "verify", "--db", "own.db")


def test_envelopes_made_from_raw_data_refuse_what_files_refuse(folder: Path) -> None:
    """A program that takes JSON from elsewhere goes through the same checks."""
    from interlock.releases import load_folder

    wire = load_folder(folder).wire
    for raw in (
        {"parcel": "p", "price": float("inf")},
        {"parcel": "p", "price": float("nan")},
        {"parcel": "p", "price": 10**300},
        {"parcel": "p", "price": "1", "advice": "\ud800"},
        {"parcel": "p", "price": "1", 5: 5},
        {"parcel": "p", "price": object()},
        {"parcel": {"p": "p"}, "price": "1"},
        [],
        None,
    ):
        with pytest.raises(Refused):
            event_envelope("parcels", wire, "Ordered", raw, id="x", source="s", principal="me", occurred_at=None, now=1)
        with pytest.raises(Refused):
            call_envelope(
                "parcels", wire, "charge", raw, key="p", id="x", source="s", principal="me", by="agent", now=1
            )
    with pytest.raises(Refused, match="Line 2"):
        list(read_lines([json.dumps(event("Ordered", "x")), "{"]))


# --- advisors ---------------------------------------------------------------------------------------------------------

GARBAGE = {
    "type": "an advisor returns Advice, not dict",
    "none": "an advisor returns Advice, not NoneType",
    "value": "grams: Input should be greater than or equal to 0",
    "extra": "pay: Extra inputs are not permitted",
    "nan": "score: it is a number from 0 to 1",
    "above": "score: it is a number from 0 to 1",
    "below": "score: it is a number from 0 to 1",
    "infinite": "score: it is a number from 0 to 1",
    "text": "score: it is a number from 0 to 1",
    "true": "score: it is a number from 0 to 1",
    "huge": "rationale: text of at most 4000 characters",
    "evidence": "larger than 262144",
    "usage": "usage: whole numbers by name",
    "tokens": "usage: whole numbers by name",
    "surrogate": "",
    "action": "Extra inputs are not permitted",
    "integer": "grams:",
    "decimal": "grams:",
    "generator": "an advisor returns Advice, not generator",
}
FAILS = {
    "raise": "RuntimeError: the scale is broken",
    "rude": "Rude",
    "exit": "SystemExit: 0",
    "stop": "",
    "cancel": "",
}


def patience(folder: Path, span: str) -> None:
    release = folder / "release.toml"
    release.write_text(release.read_text().replace('timeout = "60s"', f'timeout = "{span}"', 1))


def test_nothing_an_advisor_does_reaches_a_case_or_holds_up_its_neighbours(folder: Path) -> None:
    patience(folder, "4s")
    wrong = [*(f"garbage:{kind}" for kind in GARBAGE), *FAILS, "hang"]
    submit(folder, *(ordered(f"p {how}", advice=how) for how in wrong), *(ordered(f"good {n}") for n in range(5)))
    told = work(folder)
    assert "died" not in told.err and "bug" not in told.err, told
    found = cases(folder)
    for how in wrong:
        assert found[f"p {how}"]["status"] == "open"
        assert found[f"p {how}"]["flags"], how
    for name in ("labels", "charges", "letters"):
        assert sorted(line["parcel"] for line in book(folder, name)) == [f"good {n}" for n in range(5)]
    for how in ("garbage:nan", "garbage:tokens", "hang", "exit"):
        assert case(folder, f"p {how}")["state"]["grams"] == 0
    # One reading for all: why each was silent stands in the ledger.
    lines = [json.loads(line) for line in interlock(folder, "tail", "-n", "1000", "--json").out.splitlines()]
    silent = {line["case"]: json.dumps(line) for line in lines if "scale" in line.get("text", "")}
    for kind, words in GARBAGE.items():
        assert (
            "garbage" in silent[f"parcels/p garbage:{kind}"] or "no valid answer" in silent[f"parcels/p garbage:{kind}"]
        )
        assert words in silent[f"parcels/p garbage:{kind}"], kind
    for how, words in FAILS.items():
        assert words in silent[f"parcels/p {how}"], how
    assert "no answer within 4 s" in silent["parcels/p hang"]
    interlock(folder, "verify")


def test_advice_for_another_case_or_question_changes_nothing(folder: Path) -> None:
    """Whoever can put a message into the inbox (a broker, a bug) still cannot answer in somebody else's name."""
    from interlock.assembly import open_store
    from interlock.vocabulary.advice import Answer
    from interlock.vocabulary.events import AnswerBody, Envelope

    submit(folder, ordered("mine", advice="hang"), ordered("other", advice="raise"))
    store = open_store(folder / "interlock.db")
    bodies = [
        AnswerBody("Weigh", "0" * 16, "scale", Answer({"grams": 7}, 990_000)),
        AnswerBody("Weigh", "", "stranger", Answer({"grams": 7}, 990_000)),
        AnswerBody("Pay", "0" * 16, "scale", Answer({"action": "charge"}, 1_000_000)),
    ]
    store.accept(
        [
            Envelope("parcels", key, f"forged-{key}-{n}", "interlock.dispatch", "scale", 1, 1, body)
            for key in ("mine", "other", "nobody")
            for n, body in enumerate(bodies)
        ],
        now=2,
    )
    store.close()
    patience(folder, "1s")
    work(folder)
    assert book(folder, "begun") == []
    for key in ("mine", "other"):
        assert case(folder, key)["state"]["grams"] == 0
    interlock(folder, "verify")
