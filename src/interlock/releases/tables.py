"""Read TOML with places: every value knows its line, every mistake is noted, nothing unknown is ignored."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from interlock.vocabulary.errors import Problem

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (604_800_000_000, 86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000)


class Document:
    """A TOML text, parsed, with the line of each key. `problems` collects what is wrong with it."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = _lines(text)
        try:
            data: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"line (\d+), column (\d+)", str(error))
            line, column = (int(found[1]), int(found[2])) if found else (text.count("\n") + 1, 0)
            said = str(error).split(" (at ")[0]
            self.problems.append(Problem(file, line, f"this is not TOML: {said}.", column=column))
            data = {}
        self.root = Table(self, (), data)

    def line(self, path: Path) -> int:
        """Line of a key; of what is below it (`[budgets.x]` is all there is of `budgets`), else around it."""
        for length in range(len(path), 0, -1):
            found = self._lines.get(path[:length])
            below = [line for known, line in self._lines.items() if known[:length] == path[:length]]
            if found is not None or below:
                return found if found is not None else min(below)
        return 1

    def note(self, path: Path, message: str, suggestion: str = "") -> None:
        self.problems.append(Problem(self.file, self.line(path), message, suggestion))


class Table:
    """One table. Each getter takes a key out; `done` complains about those that nobody took."""

    def __init__(self, document: Document, path: Path, data: dict[str, Any]) -> None:
        self.document = document
        self.path = path
        self.data = data
        self._taken: set[str] = set()

    @property
    def name(self) -> str:
        return (
            f"[{'.'.join(str(step) for step in self.path if not isinstance(step, int))}]"
            if self.path
            else "release.toml"
        )

    def note(self, key: str | None, message: str, suggestion: str = "") -> None:
        """Note a problem at a key, or at the table."""
        self.document.note((*self.path, key) if key is not None else self.path, f"{self.name}: {message}", suggestion)

    def has(self, key: str) -> bool:
        return key in self.data

    def take(self, key: str) -> Any:
        """The raw value, None if there is none."""
        self._taken.add(key)
        return self.data.get(key)

    def names(self) -> list[str]:
        return list(self.data)

    def table(self, key: str) -> Table:
        """A table below this one; empty if there is none."""
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            self.note(key, f"`{key}` must be a table.", f"Write [{'.'.join(str(step) for step in (*self.path, key))}].")
            value = None
        return Table(self.document, (*self.path, key), cast("dict[str, Any]", value or {}))

    def tables(self, key: str) -> list[Table]:
        """An array of tables."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in cast("list[Any]", value)):
            self.note(
                key,
                f"`{key}` must be an array of tables.",
                f"Write [[{'.'.join(str(step) for step in (*self.path, key))}]].",
            )
            return []
        return [
            Table(self.document, (*self.path, key, i), one) for i, one in enumerate(cast("list[dict[str, Any]]", value))
        ]

    def text(self, key: str, default: str = "") -> str:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, str) or not value:
            return self._wrong(key, "text", default)
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.take(key)
        if value is None:
            return default
        return value if isinstance(value, bool) else self._wrong(key, "true or false", default)

    def integer(self, key: str, default: int, *, least: int = 0, most: int = 1_000_000) -> int:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            return self._wrong(key, f"a whole number from {least} to {most}", default)
        return value

    def number(self, key: str) -> Decimal | None:
        """An exact number, not negative."""
        value = self.take(key)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | Decimal)
            or not Decimal(value).is_finite()
            or value < 0
        ):
            return self._wrong(key, "a number, 0 or more", None)
        return Decimal(value)

    def share(self, key: str) -> int | None:
        """A number from 0 to 1, in millionths."""
        value = self.number(key)
        if value is None:
            return None
        if value > 1:
            return self._wrong(key, "a number from 0 to 1", None)
        return int(value * 1_000_000)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, each once; one text stands for a list of one."""
        value = self.take(key)
        if value is None:
            return ()
        several = cast("list[Any]", value if isinstance(value, list) else [value])
        if not all(isinstance(one, str) and one for one in several):
            return self._wrong(key, "a list of texts", ())
        if len(set(several)) != len(several):
            self.note(key, f"`{key}` names something twice.")
        return tuple(dict.fromkeys(cast("list[str]", several)))

    def duration(self, key: str, default: int | None) -> int | None:
        """Microseconds of `2s`, `500ms`, `1h30m`, `7d`."""
        value = self.take(key)
        if value is None:
            return default
        found = micros(value) if isinstance(value, str) else None
        return found if found is not None else self._wrong(key, "a duration such as 500ms, 20s, 15m, 4h, 7d", default)

    def moment(self, key: str) -> int | None:
        """Microseconds of a TOML date (the end of that day, UTC) or of a date-time with its offset."""
        value = self.take(key)
        if value is None:
            return None
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        match value:
            case datetime(tzinfo=None):
                return self._wrong(key, "a date, or a date and time with its offset (2027-12-31T18:00:00Z)", None)
            case datetime():
                return (value - epoch) // timedelta(microseconds=1)
            case date():
                end = datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=1)
                return (end - epoch) // timedelta(microseconds=1)
            case _:
                return self._wrong(key, "a date without quotes, e.g. 2027-12-31", None)

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            self.note(key, f"`{key}` is {value!r}.", f"It is one of {', '.join(choices)}.")
            return default
        return value

    def done(self) -> None:
        """Note every key that nothing took."""
        for key in self.data:
            if key not in self._taken:
                self.note(key, f"unknown key `{key}`.", nearest(key, self._taken))

    def _wrong(self, key: str, wanted: str, default: Any) -> Any:
        self.note(key, f"`{key}` must be {wanted}.")
        return default


def micros(text: str) -> int | None:
    """Microseconds of a duration as written, None if it is none."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    return sum(int(digits) * unit for digits, unit in zip(found.groups(), _UNITS, strict=True) if digits)


def nearest(word: str, known: Iterable[str]) -> str:
    """What a misspelt word may have meant, or what is known."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Known here: {', '.join(choices)}." if choices else ""


def _lines(text: str) -> dict[Path, int]:
    """Line of each table header and key. tomllib keeps none; a second, forgiving reading finds them."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    here: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            here = _resolved(_parts(header[2]), counts)
            if header[1] == "[[":
                index = counts.get(here, -1) + 1
                counts[here] = index
                lines.setdefault(here, number)
                here = (*here, index)
            lines.setdefault(here, number)
            continue
        key = _KEY.match(line)
        if key:
            lines.setdefault((*here, *_parts(key[1])), number)
    return lines


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


def _resolved(parts: tuple[str, ...], counts: dict[Path, int]) -> Path:
    """A header below an array of tables belongs to its newest element."""
    path: Path = ()
    for i, part in enumerate(parts):
        path = (*path, part)
        if path in counts and i < len(parts) - 1:
            path = (*path, counts[path])
    return path
