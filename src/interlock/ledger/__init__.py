"""Reading the ledger: what happened, why, whether the record holds, and what it all came to.

    reading, histories            one case: its entries, its state as of any moment
    explaining, explanation       one decision: why it was as it was, and what followed
    verification, slots, rejudge  does the record still say what it said, and does it follow from what was known
    standing, anchors, findings   what must agree with the ledger; a witness outside; what is wrong
    reporting, account            a stretch of time, counted
    lines, diagrams, words        for the eye
    recorded                      releases read back from their manifests, without the code

Everything here reads and nothing writes; no module of an automation is imported. A store and ids go in, frozen values
with `to_data` and `to_text` come out.
"""

from __future__ import annotations

from interlock.ledger.account import Report
from interlock.ledger.affected import Affected, affected
from interlock.ledger.anchors import Anchor, anchor
from interlock.ledger.diagrams import effect_diagram, flow_diagram, lifecycle_page
from interlock.ledger.explaining import explain
from interlock.ledger.explanation import Explanation
from interlock.ledger.findings import Finding
from interlock.ledger.histories import History, Moment, history
from interlock.ledger.lines import Line, advance, cursor, one_line, tail
from interlock.ledger.reporting import report
from interlock.ledger.verification import VerifyReport, verify

__all__ = [
    "Affected",
    "Anchor",
    "Explanation",
    "Finding",
    "History",
    "Line",
    "Moment",
    "Report",
    "VerifyReport",
    "advance",
    "affected",
    "anchor",
    "cursor",
    "effect_diagram",
    "explain",
    "flow_diagram",
    "history",
    "lifecycle_page",
    "one_line",
    "report",
    "tail",
    "verify",
]
