"""Reading a document: nothing that is not a diagnostic comes out, and every character is found where it stands."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock.policy import (
    ActionSchema,
    BoolType,
    DecimalType,
    Diagnostic,
    DurationType,
    EnumType,
    Field,
    IntType,
    InvisibleType,
    ListType,
    PolicyErrors,
    RecordType,
    Schema,
    StringType,
    TimestampType,
    load,
    schema_text,
)
from interlock.policy.diagnostics import Report
from interlock.policy.document import Entries, Scalar, read
from interlock.policy.syntax import SyntaxProblem, parse
from tests.unit.policy.samples import CHEQUES, CHEQUES_POLICY

PIECES = sorted({piece for line in CHEQUES_POLICY.splitlines() for piece in line.replace(",", " , ").split(" ")})


def findings(text: str) -> tuple[Diagnostic, ...]:
    """What loading says is wrong; any other exception than PolicyErrors comes through."""
    try:
        load(text, schema=CHEQUES, fallbacks=("ask_again",))
    except PolicyErrors as errors:
        return errors.diagnostics
    return ()


@settings(max_examples=300)
@given(st.text() | st.text(alphabet="{}[]:,-?!&*|>'\"#% \n\tabc019.") | st.lists(st.sampled_from(PIECES)).map(" ".join))
@example("\U000110a0")
@example('"\\U99999999"')
@example("%YAML " + "9" * 5000 + ".1\n---\na: b")
@example("? a\n: b")
@example("a: !<\ud7ff> b")
def test_any_text_gives_a_policy_or_policy_errors(text: str) -> None:
    lines = text.split("\n")
    for one in findings(text):
        assert 1 <= one.line <= len(lines)
        assert 1 <= one.column <= len(lines[one.line - 1]) + 1


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_policy_gives_a_policy_or_policy_errors(data: st.DataObject) -> None:
    text = CHEQUES_POLICY
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 6))
        put = data.draw(st.sampled_from(PIECES) | st.text(max_size=4))
        text = text[:at] + put + text[at + cut :]
    for one in findings(text):
        assert str(one)


@settings(max_examples=500)
@given(
    st.text()
    | st.lists(
        st.sampled_from(
            [
                "case",
                ".",
                "a",
                "(",
                ")",
                "[",
                "]",
                "&&",
                "||",
                "!",
                "-",
                "?",
                ":",
                "1",
                "30d",
                "1.5",
                "'x'",
                "in",
                ",",
                "==",
                "<",
                "*",
                "has",
                " ",
            ]
        )
    ).map("".join)
)
def test_any_expression_parses_or_says_where_it_does_not(text: str) -> None:
    try:
        parse(text)
    except SyntaxProblem as problem:
        start, end = problem.start, problem.end
    else:
        start, end = 0, 1
    assert 0 <= start <= len(text)
    assert start < end


WORDS = st.text(alphabet="abc:#'\"\\ ?!&|>{}[],üß😀", min_size=1, max_size=12).filter(lambda w: w.strip() == w)


@settings(max_examples=300)
@given(st.lists(WORDS, min_size=1, max_size=4), st.sampled_from(["single", "double", "literal", "folded", "plain"]))
def test_every_character_of_a_scalar_is_found_where_it_stands(words: list[str], style: str) -> None:
    if style == "plain":
        words = [word for word in ("".join(c for c in w if c.isalnum()) for w in words) if word] or ["a"]
    match style:
        case "single":
            written = "'" + "\n   ".join(word.replace("'", "''") for word in words) + "'"
        case "double":
            written = '"' + "\n   ".join(word.replace("\\", "\\\\").replace('"', '\\"') for word in words) + '"'
        case "literal" | "folded":
            written = ("|" if style == "literal" else ">-") + "\n" + "\n".join(f"   {word}" for word in words)
        case _:
            written = "\n   ".join(words)
    report = Report(f"first: 1\nkey: {written}\n", "t")
    root = read(report)
    assert isinstance(root, Entries), report.diagnostics()
    scalar = root.get("key")
    assert isinstance(scalar, Scalar)
    assert scalar.text.split() == " ".join(words).split()
    last = -1
    for offset, char in enumerate(scalar.text):
        index = scalar.locate(offset)
        if not char.isspace():
            found = report.text[index]
            assert found == char or (found == "\\" and report.text[index + 1] == char)
            assert index > last
            last = index


NAMES = st.sampled_from(["a", "b_1", "Total", "x9", "_y"])
TEXT = st.text(alphabet="ab =|\"'?:#,{}é", max_size=6)
BOUNDS = st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 10**6)).map(lambda t: (t[0], t[0] + t[1]))
SCALARS = st.one_of(
    st.just(BoolType()),
    st.just(TimestampType()),
    st.just(DurationType()),
    BOUNDS.map(lambda b: DurationType(*b)),
    BOUNDS.map(lambda b: IntType(*b)),
    st.builds(lambda s, b: DecimalType(s, *b), st.integers(0, 6), BOUNDS),
    st.integers(0, 5000).map(StringType),
    st.lists(TEXT, min_size=1, max_size=3, unique=True).map(lambda values: EnumType(tuple(values))),
)
TYPES = st.recursive(
    SCALARS | st.builds(ListType, SCALARS, st.integers(0, 50)) | st.builds(InvisibleType, TEXT.filter(bool)),
    lambda inner: st.dictionaries(NAMES, st.builds(Field, inner, st.booleans()), min_size=1, max_size=3).map(
        RecordType
    ),
    max_leaves=6,
)
RECORDS = st.dictionaries(NAMES, st.builds(Field, TYPES, st.booleans()), max_size=4).map(RecordType)


@settings(max_examples=80)
@given(
    RECORDS,
    st.dictionaries(
        NAMES.map("act_".__add__), st.builds(ActionSchema, RECORDS, st.sampled_from([None, True, False])), min_size=1
    ),
    st.none() | st.lists(TEXT, max_size=3).map(tuple),
)
def test_a_schema_survives_writing_and_storing(
    case: RecordType, actions: dict[str, ActionSchema], groups: tuple[str, ...] | None
) -> None:
    schema = Schema(actions=actions, case=case, groups=groups)
    assert Schema.from_data(schema.to_data()) == schema
    assert load("policy: p\n" + schema_text(schema) + "rules: []\ndefault: {verdict: deny}\n").schema == schema


@pytest.mark.parametrize(("type_", "default"), [
    (DecimalType(2, 0, 999), "1.50"), (BoolType(), False), (IntType(0, 5), 3), (StringType(9), 'a "b" = c'),
    (EnumType(("a b", "c|d")), "c|d"), (DurationType(), 90_000_000), (TimestampType(), "now"),
    (ListType(StringType(5), 3), ["x", "y: z"]), (ListType(BoolType(), 3), []),
])  # fmt: skip
def test_defaults_survive_writing(type_: object, default: object) -> None:
    schema = Schema(actions={"go": ActionSchema()}, case=RecordType({"x": Field(type_, default=default)}))  # pyright: ignore[reportArgumentType]
    assert load("policy: p\n" + schema_text(schema) + "rules: []\ndefault: {verdict: deny}\n").schema == schema
