"""Read a YAML document into located nodes, and nothing more than plain YAML.

Values keep the text that the author wrote: `120.00` stays exact and `no` stays a word, because the reader of a node
knows its type. No tags, anchors, aliases or second documents; depth and size are bounded.

INVARIANT: no text, however hostile, makes `read` raise; it notes findings in the report and returns None.
INVARIANT: every character of every scalar can be found in the file (`Scalar.locate`), whatever the scalar's style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import yaml

from interlock.policy.diagnostics import Report, nearest
from interlock.policy.limits import DOCUMENT_CHARS_MAX, DOCUMENT_DEPTH_MAX, DOCUMENT_NODES_MAX


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text as its author wrote it. `index` and `end` bound it in the file; `style` is YAML's: '' plain, ' " | >."""

    index: int
    end: int
    text: str
    style: str
    raw: str

    @property
    def plain(self) -> bool:
        """Written without quotes: `true` is then a bool and 12 a number."""
        return self.style == ""

    def locate(self, offset: int) -> int:
        """Where character `offset` of the text stands in the file."""
        places = _places(self)
        return self.index + (places[offset] if offset < len(places) else places[-1] + 1 if places else 0)


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping: keys with their own places, in the order of the file."""

    index: int
    items: tuple[tuple[Scalar, Node], ...]

    def get(self, key: str) -> Node | None:
        """The value of a key."""
        return next((value for name, value in self.items if name.text == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((name for name, _ in self.items if name.text == key), None)

    def __iter__(self) -> Iterator[tuple[Scalar, Node]]:
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    index: int
    items: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


Node = Scalar | Entries | Items


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    index: int
    mapping: bool
    items: list[Node] = field(default_factory=list[Node])


def read(report: Report) -> Node | None:
    """The root of the report's text; None if it is no usable YAML (then the report says why)."""
    text = report.text
    if len(text) > DOCUMENT_CHARS_MAX:
        report.add("too_large", 0, f"the document has {len(text)} characters; the limit is {DOCUMENT_CHARS_MAX}")
        return None
    # YAML 1.1 lets `?` end a plain scalar inside { }, so `{amount?: int 0..5}` would not be read. A question mark means
    # nothing in a policy's YAML (a key is a word), so an unused private character stands in for it while parsing.
    mark_free = next((char for char in map(chr, range(0xE000, 0xF8FF)) if char not in text), "?")
    try:
        return _build(report, yaml.SafeLoader(text.replace("?", mark_free)), mark_free)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "not readable").replace(mark_free, "?")
        report.add("yaml", mark.index if mark else 0, f"not valid YAML: {problem}", _yaml_hint(problem))
    except yaml.reader.ReaderError as error:
        index = error.position if isinstance(error.position, int) else 0
        report.add("yaml", index, "not valid YAML: a control character or half a surrogate pair", "remove it")
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        report.add("yaml", 0, f"not valid YAML: {error}")
    return None


def _yaml_hint(problem: str) -> str:
    if "tab" in problem or "'\\t'" in problem:
        return "indent with spaces"
    return "put an expression in quotes when it begins with a quote, ! or &, or contains `: `, `, `, [ ] or { } or ` #`"


def _build(report: Report, loader: yaml.SafeLoader, mark: str) -> Node | None:
    """Build nodes from the parser's events: a loop over a stack, so no nesting can exhaust the interpreter."""
    root: Node | None = None
    stack: list[_Open] = []
    documents = nodes = 0
    while True:
        event = cast("yaml.Event | None", loader.get_event())  # pyright: ignore[reportUnknownMemberType]
        if event is None or isinstance(event, yaml.StreamEndEvent):
            return root
        start = event.start_mark.index
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                report.add("yaml", start, "a second document begins here", "one file holds one policy")
                return None
        elif isinstance(event, yaml.AliasEvent):
            report.add("yaml", start, "aliases are not part of a policy", "use params and define for what repeats")
            return None
        elif isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent):
            nodes += 1
            if nodes > DOCUMENT_NODES_MAX:
                report.add("too_large", start, f"more than {DOCUMENT_NODES_MAX} values in one document")
                return None
            if event.anchor is not None:
                report.add("yaml", start, "anchors are not part of a policy", "use params and define for what repeats")
                return None
            if event.tag is not None:
                report.add(
                    "yaml",
                    start,
                    f"`{event.tag.replace(mark, '?')}` is a YAML tag here",
                    "put an expression that begins with ! in quotes",
                )
                return None
            if isinstance(event, yaml.ScalarEvent):
                node: Node = _scalar(report.text, event, mark)
            else:
                if len(stack) >= DOCUMENT_DEPTH_MAX:
                    report.add("too_large", start, f"nested deeper than {DOCUMENT_DEPTH_MAX}")
                    return None
                stack.append(_Open(start, isinstance(event, yaml.MappingStartEvent)))
                continue
            if stack:
                stack[-1].items.append(node)
            else:
                root = node
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            done = stack.pop()
            node = _entries(report, done) if done.mapping else Items(done.index, tuple(done.items))
            if stack:
                stack[-1].items.append(node)
            else:
                root = node


def _scalar(text: str, event: yaml.ScalarEvent, mark: str) -> Scalar:
    start, end = event.start_mark.index, event.end_mark.index
    return Scalar(start, end, event.value.replace(mark, "?"), event.style or "", text[start:end])


def _entries(report: Report, done: _Open) -> Entries:
    items: list[tuple[Scalar, Node]] = []
    seen: set[str] = set()
    for key, value in zip(done.items[::2], done.items[1::2], strict=True):
        if not isinstance(key, Scalar):
            report.add("yaml", key.index, "a key must be a word")
        elif key.text in seen:
            report.add("duplicate_key", key.index, f"`{key.text}` is given twice", width=len(key.text))
        else:
            seen.add(key.text)
            items.append((key, value))
    return Entries(done.index, tuple(items))


def prose(report: Report, node: Entries, key: str, known: tuple[str, ...]) -> Entries:
    """Let the sentence at `key` contain commas.

    In a flow mapping YAML ends `reason: Stopped, or over.` at the comma and reads `or over.` as a key without a value.
    Such a key, directly behind the sentence and no key of ours, is the rest of it; it could mean nothing else.
    """
    at = next((i for i, (name, _) in enumerate(node.items) if name.text == key), None)
    if at is None:
        return node
    name, first = node.items[at]
    if not isinstance(first, Scalar) or not first.plain:
        return node
    end, last = first.end, at + 1
    while last < len(node.items):
        more, value = node.items[last]
        if more.text in known or not (isinstance(value, Scalar) and value.plain and not value.text):
            break
        end, last = more.end, last + 1
    raw = report.text[first.index : end]
    whole = first if last == at + 1 else Scalar(first.index, end, " ".join(raw.split()), "", raw)
    return Entries(node.index, (*node.items[:at], (name, whole), *node.items[last:]))


def only_keys(report: Report, node: Entries, known: tuple[str, ...], where: str) -> None:
    """Note every key that means nothing here."""
    for key, _ in node:
        if key.text not in known:
            report.add(
                "unknown_key",
                key.index,
                f"unknown key `{key.text}` in {where}",
                nearest(key.text, known),
                width=len(key.text),
            )


def _places(scalar: Scalar) -> list[int]:
    """For each character of the text its index in the raw form, by walking both together.

    Whitespace of the raw form may be folded, quotes doubled and characters escaped; anything else stands as it is.
    """
    raw, style = scalar.raw, scalar.style
    at = 1 if style in ("'", '"') else raw.find("\n") + 1 if style in ("|", ">") else 0
    places: list[int] = []
    for char in scalar.text:
        if char.isspace() and not (style == '"' and raw[at : at + 1] == "\\"):
            places.append(at)
            at += 1 if raw[at : at + 1] in (" ", "\t", "\n", "\r") else 0
            continue
        while at < len(raw) and raw[at].isspace():
            at += 1
        while style == '"' and raw.startswith(("\\\n", "\\\r"), at):
            at = _skip(raw, at + 1, str.isspace)
        places.append(min(at, len(raw)))
        if style == '"' and raw[at : at + 1] == "\\":
            at += {"x": 4, "u": 6, "U": 10}.get(raw[at + 1 : at + 2], 2)
        elif style == "'" and char == "'":
            at += 2
        else:
            at += 1
    return places


def _skip(raw: str, at: int, skipped: Callable[[str], bool]) -> int:
    while at < len(raw) and skipped(raw[at]):
        at += 1
    return at
