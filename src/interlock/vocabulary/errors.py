"""Errors by who must act. Codes are stable and the same in Python, HTTP, the CLI and MCP.

    InterlockError
      Refused            the sender must change what it sent; nothing was accepted
        Conflict         the same id came with another body
        NotFound         no such case, decision, review or release
        NotNow           right in form, not possible in this state (closed review, finished case, draining worker)
          Erased         the personal data of the case was erased: it can't be read, and nothing more is taken
      DefinitionErrors   the author of an automation must change it; all problems at once
      StoreError         the operator must act (disk, permission, version); nothing half-done stays behind
        StoreBusy        try again: another process holds the database
        StoreFull / StoreReadOnly / StoreCorrupt / StoreVersion / StoreConflict
      NotInstalled       the operator must install an extra; nothing was done
      InterlockBug       we must act: an invariant of the interlock itself does not hold

A message says what was wrong, where, and what to do, in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class InterlockError(Exception):
    """Root of every error that the interlock raises on purpose."""

    code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str = "", retry_after_s: int | None = None
    ) -> None:
        super().__init__(message if not hint else f"{message} {hint}")
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code

    def to_data(self) -> dict[str, str | int]:
        """The form in which an error travels over HTTP, MCP and `--json`.

        `retry_after_s`: the same call may succeed after so many seconds.
        """
        said: dict[str, str | int] = {"code": self.code, "message": self.message}
        if self.hint:
            said["hint"] = self.hint
        if self.retry_after_s is not None:
            said["retry_after_s"] = self.retry_after_s
        return said


class Refused(InterlockError):
    """What was sent is not acceptable; nothing of it was kept."""

    code = "refused"


class Conflict(Refused):
    """An id that was accepted before came again with another body."""

    code = "conflict"


class NotFound(Refused):
    """The named thing does not exist."""

    code = "not_found"


class NotNow(Refused):
    """Well formed, but the state of the case, review or worker does not permit it."""

    code = "not_now"


class Erased(NotNow):
    """The key of this personal data was destroyed: nobody can read it, and the case takes nothing more."""

    code = "erased"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a definition: where it stands and what to write instead."""

    file: str
    line: int
    message: str
    suggestion: str = ""
    column: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")
        return f"{where}: {self.message}" + (f" {self.suggestion}" if self.suggestion else "")


class DefinitionErrors(InterlockError):
    """An automation, its policy or its release cannot be loaded. Carries every problem found, in file order.

    remarks    what else was seen in the same run and keeps nothing from loading
    """

    code = "definition"

    def __init__(self, problems: Sequence[Problem], remarks: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.remarks = tuple(remarks)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(InterlockError):
    """The store cannot do its work until the operator acts."""

    code = "store"


class StoreBusy(StoreError):
    """Another process holds the database; the same call may succeed later."""

    code = "store_busy"


class StoreFull(StoreError):
    """No space is left; nothing of the transaction was kept."""

    code = "store_full"


class StoreReadOnly(StoreError):
    """The database cannot be written by this user or on this mount."""

    code = "store_read_only"


class StoreCorrupt(StoreError):
    """The file is not a database, or its pages are damaged."""

    code = "store_corrupt"


class StoreVersion(StoreError):
    """The database was made by a version of the program that this one does not speak with."""

    code = "store_version"


class StoreConflict(StoreError):
    """Compare-and-set failed: another writer changed the slot or case first. The unit left no trace and may be
    retried.
    """

    code = "store_conflict"


class NotInstalled(InterlockError):
    """What was asked for needs an extra that is not installed. The hint says which."""

    code = "not_installed"


class InterlockBug(InterlockError):
    """An invariant of the interlock does not hold. Please report it with the text."""

    code = "bug"

    def __init__(self, message: str) -> None:
        super().__init__(f"This is a bug in interlock, not in your automation: {message}")
