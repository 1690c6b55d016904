"""The command line: every operation of the interlock for people and scripts.

It is a door and a window, nothing else: what it does goes through the same functions as the library
(`interlock.assembly`, `interlock.ledger`), so that nothing can be done here that replay, reviews and the ledger would
not see.

What a caller may rely on:
- results go to stdout, everything about the work itself (progress, notices, errors) to stderr;
- with `--json`, stdout is one JSON document, also for an error: {"error": {"code", "message", "hint"}}; streams are
  one document
  per line;
- exit codes are those of `interlock.cli.exits`, error codes those of `interlock.vocabulary.errors`;
- a user's mistake never shows a traceback.

INVARIANT: nothing is imported before it is needed. `interlock --help` imports click and the table of commands, not
what they do.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process."""
    from interlock.cli.root import run

    sys.exit(run(sys.argv[1:]))
