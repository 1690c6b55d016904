"""The judgement: each guarantee by its own function, all of them, in the order of their numbers."""

from __future__ import annotations

import json

from interlock.testing.checker import budgets, effects, intake, reviews
from interlock.testing.checker.history import History, Violation
from interlock.testing.checker.reading import Story, read, same

JUDGES = (effects.judge, intake.judge, budgets.judge, reviews.judge)


def check(history: History) -> list[Violation]:
    """Everything that is wrong with this history; empty when every guarantee held."""
    story = read(history)
    found = [*story.violations, *_records(history, story)]
    for judge in JUDGES:
        try:
            found.extend(judge(history, story))
        except (KeyError, TypeError, AttributeError) as error:
            # Entries that fold to nothing that could be a case: the others still judge what they can read.
            found.append(Violation(14, f"the entries do not fold to a case: {type(error).__name__} {error}"))
    return sorted(found, key=lambda violation: (violation.guarantee, violation.what, violation.where))


def _records(history: History, story: Story) -> list[Violation]:
    """Guarantee 14: every stored case equals the fold of its entries."""
    found: list[Violation] = []
    for case in sorted(story.records.keys() | history.cases.keys()):
        name = "/".join(case)
        if case not in history.cases:
            found.append(Violation(14, "a case has entries and no record", (name,)))
        elif case not in story.records:
            found.append(Violation(14, "a case has a record and no entries", (name,)))
        elif differ := same(story.records[case], json.loads(history.cases[case])):
            found.append(
                Violation(14, f"the record differs from the fold of its entries in {', '.join(differ)}", (name,))
            )
    return found
