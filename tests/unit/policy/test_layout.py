"""The one layout of policy documents."""

from pathlib import Path

import pytest

from interlock.policy import PolicyErrors, load
from interlock.policy.layout import layout
from tests.unit.policy.samples import CHEQUES, CHEQUES_POLICY

EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/*/policy.yaml"))

UNTIDY = """

# head
policy:   p   # name


schema:
    actions: {pay: {args: {amount?: decimal(2) 0..5}},note: {args: {}}}
    # about the case
    case:
        flags: {list: string, max: 20}   # flags


        n: int 0..5
rules:
- {id: a,  for: pay, when: '"x" in case.flags # y',   then: deny, reason: Stopped, or over.}
# second
- then: escalate   # why
  id: b
  when: |
      case.n > 3 &&
        case.n < 5
  reason: >
    long text
    folds

- id: c
  # inside
  when: case.n == 1
  then: escalate
  to: {group: a, # odd
     approvals: 2}
- {then: allow, when: case.n == 2,
   id: longer}
default: {verdict: escalate, to: [a,b]}
# tail"""

TIDY = """\
# head
policy: p # name

schema:
  actions: {pay: {args: {amount?: decimal(2) 0..5}}, note: {args: {}}}
  # about the case
  case:
    flags: {list: string, max: 20} # flags

    n: int 0..5
rules:
  - {id: a, for: pay, when: '"x" in case.flags # y', then: deny, reason: Stopped, or over.}
  # second
  - then: escalate # why
    id: b
    when: |
      case.n > 3 &&
        case.n < 5
    reason: >
      long text
      folds

  - id: c
    # inside
    when: case.n == 1
    then: escalate
    to:
      group: a # odd
      approvals: 2
  - {id: longer, when: case.n == 2, then: allow}
default: {verdict: escalate, to: [a, b]}
# tail
"""


def test_an_untidy_document_is_laid_out() -> None:
    assert layout(UNTIDY) == TIDY


@pytest.mark.parametrize("text", [UNTIDY, CHEQUES_POLICY, *(path.read_text(encoding="utf-8") for path in EXAMPLES)])
def test_laid_out_twice_is_laid_out_once(text: str) -> None:
    once = layout(text)
    assert layout(once) == once
    assert layout(once.replace("\n", "\r\n")) == once


def test_what_the_policy_says_does_not_change() -> None:
    before, after = (
        load(text, schema=CHEQUES, fallbacks=("ask_again",)) for text in (CHEQUES_POLICY, layout(CHEQUES_POLICY))
    )
    assert before.hash == after.hash and before.tests[0].raw == after.tests[0].raw


def test_rules_in_braces_line_up_behind_their_ids() -> None:
    text = "policy: p\nrules:\n  - {id: a, when: 'true', then: deny}\n  - {id: long, when: 'true', then: allow}\n"
    assert layout(text).splitlines()[2:] == [
        "  - {id: a,    when: 'true', then: deny}",
        "  - {id: long, when: 'true', then: allow}",
    ]


@pytest.mark.parametrize("text", ["a: [1", "a: !x 1", "a: &b 1", "\t- a"])
def test_what_cannot_be_read_is_not_formatted(text: str) -> None:
    with pytest.raises(PolicyErrors):
        layout(text)
