"""One layout for policy documents: `interlock policy fmt`.

What its author chose stays: the order of everything, what stands on one line in braces and what in lines below each
other, quotes, and every comment. What is made uniform: indentation (two spaces, list items two deeper than their key),
spaces inside braces and around comments, empty lines (never two), line ends; what stands in braces with a comment
inside is put in lines below each other; the keys of a rule stand in one order, and rules in braces line up behind
their ids.

INVARIANT: the formatted text has the same values and the same comments in the same order (checked every time), and
formatting it again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from interlock.policy.diagnostics import Report
from interlock.policy.document import Entries, Items, Node, Scalar, prose, read
from interlock.vocabulary.errors import InterlockBug

RULE_KEYS = ("id", "for", "when", "unless", "then", "to", "reason")
_PROSE = {"rules": RULE_KEYS, "default": ("verdict", "to", "reason")}


@dataclass(slots=True)
class _Comment:
    """A comment: where it stands, its text from the `#` on, and whether something stands before it on its line."""

    index: int
    text: str
    trailing: bool


def layout(text: str, *, file: str = "policy.yaml") -> str:
    """The document in the one layout. Raises PolicyErrors where it is no readable YAML."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    report = Report(plain, file)
    root = read(report)
    for one in _scalars(root):
        if one.plain and "\n" in one.text:
            # Plain text has no way to hold a line break on one line, and in quotes it would be another value.
            report.add("yaml", one.index, "an empty line within a value that stands in no quotes", "quote the value")
    report.close()
    if not isinstance(root, Entries):
        return plain
    laid = _Writer(report, root).written()
    again = Report(laid, file)
    other = read(again)
    again.close()
    same = isinstance(other, Entries) and _values(_folded(report, root)) == _values(_folded(again, other))
    if not same or [one.text for one in _comments(plain, root)] != [one.text for one in _comments(laid, other)]:
        raise InterlockBug("formatting would have changed a policy")
    return laid


def _values(node: Node) -> object:
    """What a document says, without where it stands."""
    match node:
        case Scalar():
            return (node.text, node.plain)
        case Entries():
            return {key.text: _values(value) for key, value in node}
        case Items():
            return [_values(item) for item in node]


def _folded(report: Report, root: Entries) -> Entries:
    """The document with its sentences whole: one that contains commas is read as several keys by YAML."""
    entries: list[tuple[Scalar, Node]] = []
    for key, value in root:
        known = _PROSE.get(key.text)
        made: Node = value
        if known is not None and isinstance(value, Entries):
            made = prose(report, value, "reason", known)
        elif known is not None and isinstance(value, Items):
            items = (prose(report, one, "reason", known) if isinstance(one, Entries) else one for one in value)
            made = Items(value.index, tuple(items))
        entries.append((key, made))
    return Entries(root.index, tuple(entries))


# --- comments ---------------------------------------------------------------------------------------------------------


def _scalars(node: Node | None) -> Iterable[Scalar]:
    match node:
        case Scalar():
            yield node
        case Entries():
            for key, value in node:
                yield key
                yield from _scalars(value)
        case Items():
            for item in node:
                yield from _scalars(item)
        case None:
            return


def _comments(text: str, root: Node | None) -> list[_Comment]:
    """Every comment: a `#` that begins a word and is part of no value."""
    inside = sorted((one.index, one.end) for one in _scalars(root) if one.end > one.index)
    found: list[_Comment] = []
    at = 0
    for line in text.splitlines(keepends=True):
        for offset, char in enumerate(line):
            here = at + offset
            if char == "#" and (offset == 0 or line[offset - 1] in " \t") and not _within(inside, here):
                found.append(_Comment(here, line[offset:].rstrip(), bool(line[:offset].strip())))
                break
        at += len(line)
    return found


def _within(spans: list[tuple[int, int]], index: int) -> bool:
    from bisect import bisect_right

    place = bisect_right(spans, (index, 1 << 60)) - 1
    return place >= 0 and spans[place][0] <= index < spans[place][1]


# --- writing ----------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes one document. Comments are taken from a queue, in the order of the file, before what they stand at."""

    def __init__(self, report: Report, root: Entries) -> None:
        self._text = report.text
        self._root = _folded(report, root)
        self._comments = _comments(report.text, root)
        self._lines: list[str] = []

    def written(self) -> str:
        for key, value in self._root:
            self._above(key.index, 0, between=True)
            self._entry(key, value, 0)
        self._above(len(self._text) + 1, 0, between=True)
        while self._lines and not self._lines[0]:
            self._lines.pop(0)
        return "\n".join(self._lines).rstrip("\n") + "\n"

    def _above(self, index: int, indent: int, *, between: bool = False) -> None:
        """The comments before a place, and the empty line that stood there."""
        empty = between and self._empty_before(self._comments[0].index if self._first_before(index) else index)
        if empty and self._lines and self._lines[-1]:
            self._lines.append("")
        while self._first_before(index):
            comment = self._comments.pop(0)
            self._lines.append(" " * indent + comment.text)
            following = self._comments[0].index if self._first_before(index) else index
            if between and self._empty_before(following) and self._lines[-1]:
                self._lines.append("")

    def _first_before(self, index: int) -> bool:
        return bool(self._comments) and self._comments[0].index < index

    def _empty_before(self, index: int) -> bool:
        """Whether an empty line stands directly before the line of a place."""
        start = self._text.rfind("\n", 0, min(index, len(self._text))) + 1
        above = self._text.rfind("\n", 0, max(start - 1, 0)) + 1
        return start > 0 and not self._text[above : max(start - 1, 0)].strip()

    def _trailing(self, until: int) -> str:
        """The comment behind what was written, if it is the only one before a place."""
        if self._comments and self._comments[0].trailing and self._comments[0].index < until:
            return " " + self._comments.pop(0).text
        return ""

    def _line_end(self, index: int) -> int:
        found = self._text.find("\n", index)
        return len(self._text) + 1 if found < 0 else found + 1

    def _entry(self, key: Scalar, value: Node, indent: int, lead: str = "") -> None:
        """`key: value`. `lead` stands before the key (`- ` of a list item), and the value's lines are as deep as it."""
        head = " " * indent + lead + key.raw + ":"
        inner = indent + len(lead) + 2
        if isinstance(value, Scalar):
            self._scalar(head, value, inner)
            return
        line = f"{head} {self._flow(value)}" if self._is_flow(value) else None
        if line is not None and self._fits(value):
            self._lines.append(line + self._trailing(self._line_end(_end(value))))
            return
        children = value.items
        if not children:
            self._lines.append(f"{head} {'{}' if isinstance(value, Entries) else '[]'}")
            return
        first = value.items[0][0].index if isinstance(value, Entries) else _start(value.items[0])
        self._lines.append(head + (self._trailing(first) if not self._is_flow(value) else ""))
        self._block(value, inner)

    def _block(self, node: Entries | Items, indent: int) -> None:
        if isinstance(node, Entries):
            for key, value in node:
                self._above(key.index, indent, between=not self._is_flow(node))
                self._entry(key, value, indent)
            return
        behind = self._behind_ids(node)
        for item in node:
            self._above(_start(item), indent, between=not self._is_flow(node))
            self._item(item, indent, behind)

    def _behind_ids(self, node: Items) -> int:
        """How long `id: NAME,` is at most in a list of rules that all stand in braces; 0 in any other list."""
        longest = 0
        for item in node:
            if not (isinstance(item, Entries) and item.items and self._is_flow(item) and self._fits(item)):
                return 0
            key, value = self._ordered(item)[0]
            if key.text != "id" or not isinstance(value, Scalar) or len(item.items) == 1:
                return 0
            longest = max(longest, len(f"id: {_one_line(value)},"))
        return longest

    def _item(self, item: Node, indent: int, behind: int = 0) -> None:
        margin = " " * indent
        if isinstance(item, Scalar):
            self._scalar(f"{margin}-", item, indent + 2)
            return
        line = f"{margin}- {self._flow(item, behind)}" if self._is_flow(item) else None
        if (line is not None and self._fits(item)) or not item.items:
            text = line or f"{margin}- {self._flow(item)}"
            self._lines.append(text + self._trailing(self._line_end(_end(item))))
        elif isinstance(item, Entries):
            (key, value), *rest = self._ordered(item)
            self._entry(key, value, indent, "- ")
            for key, value in rest:
                self._above(key.index, indent + 2)
                self._entry(key, value, indent + 2)
        else:
            self._lines.append(f"{margin}-")
            self._block(item, indent + 2)

    def _ordered(self, item: Entries) -> list[tuple[Scalar, Node]]:
        """The keys of a rule in one order, unless a comment stands between them."""
        entries = list(item.items)
        names = {key.text for key, _ in entries}
        if "id" not in names or not names <= set(RULE_KEYS):
            return entries
        if any(entries[0][0].index < one.index < _end(item) for one in self._comments):
            return entries
        return sorted(entries, key=lambda entry: RULE_KEYS.index(entry[0].text))

    def _scalar(self, head: str, value: Scalar, inner: int) -> None:
        if value.style in ("|", ">"):
            header = value.raw.split("\n", 1)[0]
            mark = header.split("#")[0].rstrip()
            self._lines.append(f"{head} {mark[0]}{''.join(c for c in mark[1:] if c in '+-')}")
            body = value.raw.split("\n")[1:]
            depth = min((len(line) - len(line.lstrip(" ")) for line in body if line.strip()), default=0)
            kept = [(" " * inner + line[depth:]).rstrip() for line in body]
            while kept and not kept[-1]:
                kept.pop()
            self._lines += kept
            return
        raw = _one_line(value)
        text = f"{head} {raw}" if raw else head
        self._lines.append(text + self._trailing(self._line_end(max(value.index, value.end - 1))))

    def _is_flow(self, node: Node) -> bool:
        return not isinstance(node, Scalar) and self._text[node.index : node.index + 1] in ("{", "[")

    def _fits(self, node: Node) -> bool:
        """Whether what stands in braces may: no comment stands inside it."""
        return not any(node.index < one.index < _end(node) for one in self._comments)

    def _flow(self, node: Node, behind: int = 0) -> str:
        """A value in braces, its second entry `behind` so many columns at least."""
        match node:
            case Scalar():
                return _one_line(node)
            case Entries():
                parts = [f"{key.raw}: {self._flow(value)}".rstrip() for key, value in self._ordered(node)]
                if behind and len(parts) > 1:
                    return "{" + f"{parts[0]},".ljust(behind) + " " + ", ".join(parts[1:]) + "}"
                return "{" + ", ".join(parts) + "}"
            case Items():
                return "[" + ", ".join(self._flow(item) for item in node) + "]"


def _one_line(value: Scalar) -> str:
    """A value on one line: what YAML folds is folded."""
    if "\n" not in value.raw.rstrip():
        return value.raw.rstrip()
    if "\n" in value.text:
        return json.dumps(value.text, ensure_ascii=False)  # An empty line within it is a line break, which stays one.
    return " ".join(value.raw.split()) if value.plain else "'" + value.text.replace("'", "''") + "'"


def _start(node: Node) -> int:
    """Where a node begins; an entry where its first key does."""
    return node.items[0][0].index if isinstance(node, Entries) and node.items else node.index


def _end(node: Node) -> int:
    """Where the last value of a node ends."""
    match node:
        case Scalar():
            return max(node.index, node.end - 1)
        case Entries():
            return max((_end(value) if not _is_empty(value) else key.end for key, value in node), default=node.index)
        case Items():
            return max((_end(item) for item in node), default=node.index)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.raw
