"""What is wrong with a policy document: every finding with its place, a caret under it and what to write instead.

A Report collects findings while a document is read, so that one run finds everything; `PolicyErrors` carries them out.
"""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from interlock.vocabulary.errors import DefinitionErrors, Problem

_EXCERPT_CHARS = 100


@dataclass(frozen=True)
class Diagnostic(Problem):
    """A finding. Line and column count from 1 in the YAML file, inside quoted, block and flow scalars as well.

    `excerpt` is the line with a caret line below it; `code` is stable and names the kind of mistake. A `remark` says
    what its author cannot have meant of a document that can be judged by: it loads, and `interlock policy check` shows
    it.
    """

    excerpt: str = ""
    code: str = "policy"
    remark: bool = False

    def __str__(self) -> str:
        lines = [f"{self.file}:{self.line}:{self.column}: {self.message}"]
        if self.excerpt:
            lines.append(self.excerpt)
        if self.suggestion:
            lines.append(f"    {self.suggestion}")
        return "\n".join(lines)


class PolicyErrors(DefinitionErrors):
    """A policy document cannot be loaded. `problems` and `diagnostics` are the same findings, in the order of the
    file; `remarks` are what else was seen in the same run.
    """

    code = "policy"

    def __init__(self, diagnostics: Iterable[Diagnostic], remarks: Iterable[Diagnostic] = ()) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__(self.diagnostics, tuple(remarks))


class Report:
    """Collects findings about one text. Places are character indices into that text."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._starts = [0, *(i + 1 for i, char in enumerate(text) if char == "\n")]
        self._found: dict[tuple[int, str], Diagnostic] = {}
        self._remarks: dict[tuple[int, str], Diagnostic] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def place(self, index: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect_right(self._starts, max(0, min(index, len(self.text))))
        return line, index - self._starts[line - 1] + 1

    def add(self, code: str, index: int, message: str, suggestion: str = "", *, width: int = 1) -> None:
        """Note one finding. The same message at the same place is one finding: a definition is checked once per use."""
        index = max(0, min(index, len(self.text)))
        found = self._diagnostic(code, index, message, suggestion, width, remark=False)
        self._found.setdefault((index, message), found)

    def remark(self, code: str, index: int, message: str, suggestion: str = "", *, width: int = 1) -> None:
        """Note what does not keep the document from loading."""
        index = max(0, min(index, len(self.text)))
        found = self._diagnostic(code, index, message, suggestion, width, remark=True)
        self._remarks.setdefault((index, message), found)

    def _diagnostic(
        self, code: str, index: int, message: str, suggestion: str, width: int, *, remark: bool
    ) -> Diagnostic:
        line, column = self.place(index)
        excerpt = self._excerpt(line, column, width)
        return Diagnostic(self.file, line, message, suggestion, column, excerpt=excerpt, code=code, remark=remark)

    def remarks(self) -> tuple[Diagnostic, ...]:
        """The remarks, in the order of the file."""
        return tuple(sorted(self._remarks.values(), key=lambda found: (found.line, found.column, found.message)))

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything found, in the order of the file."""
        return tuple(sorted(self._found.values(), key=lambda found: (found.line, found.column, found.message)))

    def close(self) -> None:
        """Raise what was found, if anything was."""
        if self._found:
            raise PolicyErrors(self.diagnostics(), self.remarks())

    def _excerpt(self, line: int, column: int, width: int) -> str:
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        full = self.text[start:end].rstrip("\r")
        cut = max(0, min(column - _EXCERPT_CHARS // 2, len(full) - _EXCERPT_CHARS))
        shown = full[cut : cut + _EXCERPT_CHARS].replace("\t", " ")
        at = column - 1 - cut
        carets = "^" * max(1, min(width, len(shown) - at))
        gutter = f"{line:5} | "
        return f"{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * at}{carets}"


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean X?` for a misspelt word, else the choices, else nothing."""
    choices = sorted(set(known))
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if 0 < len(choices) <= 12:
        return "known here: " + ", ".join(choices)
    return ""
