"""An independent judge of what a control layer did: histories in, broken guarantees out.

`check(history)` is given what was sent and acknowledged, what the outside's own books say, and the stored records as
plain bytes. It reads the records' JSON itself and folds the cases itself. It imports nothing of the rest of
interlock, so a mistake that the kernel and the runtime share is not shared by their judge.

INVARIANT: nothing here imports interlock outside this package (a test reads the imports).
"""

from interlock.testing.checker.check import check
from interlock.testing.checker.history import (
    ActionRule,
    Booking,
    BudgetRule,
    Call,
    History,
    Lost,
    Rules,
    Submission,
    Violation,
)

__all__ = [
    "ActionRule",
    "Booking",
    "BudgetRule",
    "Call",
    "History",
    "Lost",
    "Rules",
    "Submission",
    "Violation",
    "check",
]
