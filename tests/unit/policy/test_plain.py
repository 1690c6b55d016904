# ruff: noqa: E501 - sentences as they are said
"""A policy in sentences, in a table, and as the JSON Schema of its document."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.policy import plain
from interlock.policy.editor import document_schema
from tests.unit.policy.samples import CHEQUES, cheques
from tests.unit.policy.test_proofs import policy

EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/*/policy.yaml"))


def test_sentences_say_every_rule_with_its_reason() -> None:
    said = plain.sentences(cheques())
    assert "pay or hold is denied when the case's stopped is true. The drawer stopped this cheque. (stopped)" in said
    assert "pay is denied when the amount is more than the case's funds (or 0.00). Not covered. (no_funds)" in said
    assert "pay is asked of 2 of treasury when the amount is more than 50000.00 (four_eyes_limit). (large)" in said
    assert 'less than 2, unless the proposal\'s source is "person". (disagree)' in said
    assert "Everything else is asked of clearing." in said
    assert "pay when the number of advisors that agree is less than 1 (never_unread)" in said
    assert all(f"({rule.id})" in said for rule in cheques().rules)


def test_the_table_has_a_row_per_rule_and_one_for_the_default() -> None:
    lines = plain.table(cheques()).splitlines()
    assert len(lines) == 2 + len(cheques().rules) + 1
    assert (
        lines[2] == "| stopped | pay, hold | the case's stopped is true |  | deny | The drawer stopped this cheque. |"
    )
    assert lines[-1].startswith("| default | all | no rule applies |")


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("!(case.n > 3 || has(case.due))", "case.n is at most 3 and case.due is absent"),
        ("case.n > 3 && (case.n < 5 || has(case.due))", "case.n is more than 3 and (case.n is less than 5 or case.due is there)"),
        ("2 * proposal.amount > 15.5", "proposal.amount is more than 7.75"),
        ("3 * proposal.amount > 7", "3 * proposal.amount is more than 7.00"),
        ("100 > proposal.amount", "proposal.amount is less than 100.00"),
        ("proposal.amount - case.n > 1.5", "proposal.amount - case.n is more than 1.50"),
        ("case.n in [1, 2]", "case.n is one of 1, 2"),
        ("!(case.name in case.tags)", "case.tags does not have case.name"),
        ("case.name.startsWith(\"a\")", "case.name starts with \"a\""),
        ("size(case.tags) == 2", "the size of case.tags is 2"),
        ("now - case.due.orValue(now) >= 36h", "now - case.due (or now) is at least 1d12h"),
        ("has(case.due) && case.due < timestamp(\"2026-01-31T00:00:00Z\")",
         "case.due is there and case.due is less than 2026-01-31T00:00:00Z"),
        ("case.n > 3 ? has(case.due) : case.n == 1",
         "(if case.n is more than 3: case.due is there; otherwise: case.n is 1)"),
    ],
)  # fmt: skip
def test_conditions_in_words(when: str, said: str) -> None:
    from interlock.policy.wording import condition

    one = policy(f"  - {{id: a, for: pay, when: '{when}', then: allow}}")
    assert condition(one.rules[0].when) == said


# --- the JSON Schema --------------------------------------------------------------------------------------------------


def fits(schema: dict[str, Any], value: Any) -> bool:
    """JSON Schema, as far as ours uses it; a keyword that is not known here fails the test."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    return all(_fits_word(schema, word, given, value, kinds) for word, given in schema.items())


def _fits_word(schema: dict[str, Any], word: str, given: Any, value: Any, kinds: dict[str, Any]) -> bool:
    match word:
        case "type":
            names = given if isinstance(given, list) else [given]
            ok = any(isinstance(value, kinds[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names)
        case "enum":
            ok = value in given
        case "const":
            ok = value == given
        case "anyOf":
            ok = any(fits(one, value) for one in given)
        case "not":
            ok = not fits(given, value)
        case "required":
            ok = not isinstance(value, dict) or set(given) <= set(value)
        case "properties":
            ok = all(fits(given[name], one) for name, one in value.items() if name in given)
        case "additionalProperties":
            extra = set(value) - set(schema.get("properties", ())) if isinstance(value, dict) else set()
            ok = not extra if given is False else all(fits(given, value[name]) for name in extra)
        case "propertyNames":
            ok = all(fits(given, name) for name in value)
        case "items":
            ok = not isinstance(value, list) or all(fits(given, one) for one in value)
        case "pattern":
            ok = not isinstance(value, str) or re.search(given, value) is not None
        case "minItems" | "maxItems" | "maxLength":
            size = len(value) if isinstance(value, str | list) else 1
            ok = size >= given if word == "minItems" else size <= given
        case "uniqueItems":
            ok = len({json.dumps(one) for one in value}) == len(value)
        case "minimum" | "maximum":
            ok = value >= given if word == "minimum" else value <= given
        case "if":
            ok = fits(schema["then"] if fits(given, value) else schema["else"], value)
        case "$schema" | "title" | "description" | "then" | "else":
            ok = True
        case _:
            raise AssertionError(word)
    return ok


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_fit_the_json_schema(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    # Beside an automation a schema is not needed; a sentence with commas in braces is several keys to plain YAML.
    for rule in (*document["rules"], document["default"]):
        for key in [key for key, value in rule.items() if value is None]:
            del rule[key]
    assert fits({**document_schema(), "required": ["policy", "rules", "default"]}, document)


@pytest.mark.parametrize(
    "mistake",
    [
        {"rulez": []},
        {"rules": [{"id": "a", "when": "true", "then": "alow"}]},
        {"rules": [{"id": "a", "when": "true", "then": "escalate"}]},
        {"rules": [{"id": "a", "when": "true", "then": "allow", "to": "x"}]},
        {"rules": [{"id": "a", "wen": "true", "then": "allow"}]},
        {"rules": [{"id": "a", "for": "fly", "when": "true", "then": "allow"}]},
        {"rules": [{"id": "default", "when": "true", "then": "allow"}]},
        {"default": {"verdict": "allow"}},
        {"invariants": {"i": {"never": "deny", "when": "true"}}},
    ],
)
def test_what_the_loader_refuses_an_editor_marks(mistake: dict[str, Any]) -> None:
    good = {
        "policy": "p",
        "rules": [
            {"id": "a", "for": ["pay"], "when": "true", "then": "escalate", "to": {"group": "g", "approvals": 2}}
        ],
        "default": {"verdict": "deny"},
    }
    schema = document_schema(CHEQUES)
    assert fits(schema, good)
    assert not fits(schema, {**good, **mistake})
