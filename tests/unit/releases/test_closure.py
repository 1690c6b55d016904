"""What a code component is: a comment changes nothing, a helper exactly who reaches it; impure code is refused."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from interlock.automation.modules import forget
from interlock.releases import Manifest, load_release
from interlock.releases.normalform import normal_form
from interlock.vocabulary.errors import DefinitionErrors
from tests.unit.automation.written import AUTOMATION, line_of, write


def manifest(folder: Path) -> Manifest:
    forget(folder)
    return load_release(folder).manifest


def changed(tmp_path: Path, old: str, new: str, *, file: str = "automation.py", **files: str) -> set[str]:
    """Components that differ when one text is replaced."""
    folder = write(tmp_path / "tickets", None, **files)
    before = manifest(folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    after = manifest(folder)
    names = set(before.components) | set(after.components)
    found = {name for name in names if before.components.get(name) != after.components.get(name)}
    assert (before.id != after.id) == bool(found)
    return found


# --- what changes nothing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def consider(", "# A comment.\n\n\ndef consider("),
        ("-> Requests:\n    if case.total", '-> Requests:\n    """A docstring."""\n    if case.total'),
        ("    case.total = event.total\n", "    case.total = (\n        event.total  # as told\n    )\n"),
        ("def opened(case: Ticket, event: Opened) -> Requests", "def opened(case: Ticket, event: Opened)"),
        ("class Nudge(Timer): ...", 'class Nudge(Timer):\n    """A docstring."""'),
        ("Status = Literal", "UNUSED = 1\nStatus = Literal"),
    ],
)
def test_layout_and_words_change_nothing(tmp_path: Path, old: str, new: str) -> None:
    assert changed(tmp_path, old, new) == set()


def test_the_folders_place_changes_nothing(tmp_path: Path) -> None:
    assert manifest(write(tmp_path / "one")).id == manifest(write(tmp_path / "two" / "three")).id


# --- what changes what ---------------------------------------------------------------------------------------------


def test_a_helper_changes_exactly_who_reaches_it(tmp_path: Path) -> None:
    assert changed(tmp_path, "    if case.total is None:", "    if not case.total:") == {
        "reducer:Opened",
        "reducer:Nudge",
    }


def test_the_helper_itself_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    before = manifest(folder).body
    (folder / "automation.py").write_text(AUTOMATION.replace("    if case.total is None:", "    if not case.total:"))
    after = manifest(folder).body
    names = {name for name in before["functions"] if before["functions"][name] != after["functions"].get(name)}
    assert names == {"automation.py:consider"}
    assert "automation.py:consider" in before["reaches"]["reducer:Nudge"]


@pytest.mark.parametrize(
    ("old", "new", "components"),
    [
        ('    case.status = "done"', '    case.status = "open"', {"reducer:Done[Pay]"}),
        ("class Opened(Event, opens=True):\n    ticket: Name\n    total: Money",
         "class Opened(Event, opens=True):\n    ticket: Name\n    total: Money\n    note: Name = ''", {"types:Opened"}),
        ('    "done": status(),', '    "done": status(to=("open",)),', {"flow"}),
        ('kind="once"', 'kind="idempotent"', {"flow", "types:Pay"}),
    ],
)  # fmt: skip
def test_a_change_is_one_component(tmp_path: Path, old: str, new: str, components: set[str]) -> None:
    found = changed(tmp_path, old, new)
    assert found - {"types:Pay"} == components - {"types:Pay"}


@pytest.mark.parametrize(
    ("file", "old", "new", "components"),
    [
        ("policy.yaml", "<= 100", "<= 101", {"policy"}),
        ("policy.yaml", "rules:\n", "rules: # comment\n", set[str]()),
        ("release.toml", '["clerk"]\n', '["clerk"]\ntimeout = "3s"\n', {"question:Amount"}),
        ("release.toml", '["clerk"]\n', '["clerk"] # comment\n', set[str]()),
        ("release.toml", '["clerk"]\n', '["clerk"]\n[advisors.clerk]\nconcurrency = 3\n', set[str]()),
        ("effects.py", "    return None", "    return print('paid')", {"effect:pay"}),
        ("advisors.py", "score=1.0", "score=0.5", {"advisor:clerk"}),
    ],
)
def test_other_files(tmp_path: Path, file: str, old: str, new: str, components: set[str]) -> None:
    assert changed(tmp_path, old, new, file=file) == components


def test_an_advisors_change_asks_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    before = manifest(folder).questions()["Amount"].component
    (folder / "advisors.py").write_text((folder / "advisors.py").read_text().replace("1.0", "0.5"))
    assert manifest(folder).questions()["Amount"].component != before


HELPERS = """\
    from types import MappingProxyType

    from automation_limits import LIMIT, Scale, TABLE, doubled


    def consider(case: Ticket) -> Requests:
        if case.total is None or doubled(case.total) > LIMIT or TABLE["a"] > 1:
            return None
        return ask(Amount(total=Scale(1).of(case.total)))
"""
LIMITS = textwrap.dedent(
    """\
    from functools import cache
    from types import MappingProxyType

    LIMIT = (1, 2)
    TABLE = MappingProxyType({"a": 1})
    OTHER = 5


    class Scale:
        def __init__(self, by):
            self.by = by

        def of(self, value):
            return value * self.by


    @cache
    def doubled(value, by=2):
        return inner(value) * by


    def inner(value):
        return value + 0
    """
)


def with_helpers() -> str:
    start = AUTOMATION.index("def consider(")
    end = AUTOMATION.index("@app.on\ndef opened(")
    return AUTOMATION[:start] + textwrap.dedent(HELPERS) + "\n\n" + AUTOMATION[end:]


@pytest.mark.parametrize(
    ("old", "new", "reached"),
    [
        ("LIMIT = (1, 2)", "LIMIT = (1, 3)", True),
        ('{"a": 1}', '{"a": 2}', True),
        ("OTHER = 5", "OTHER = 6", False),
        ("value * self.by", "value + self.by", True),
        ("by=2", "by=3", True),
        ("value + 0", "value + 1", True),
        ("# nothing", "# nothing", False),
    ],
)
def test_constants_classes_defaults_and_other_files(tmp_path: Path, old: str, new: str, reached: bool) -> None:
    limits = LIMITS + "# nothing\n"
    found = changed(
        tmp_path, old, new, file="automation_limits.py", automation=with_helpers(), automation_limits=limits
    )
    assert found == ({"reducer:Opened", "reducer:Nudge"} if reached else set())


def test_a_field_is_not_the_function_of_its_name(tmp_path: Path) -> None:
    """Scopes are Python's own: a local, an attribute or a keyword is no reference to a global of the same name."""
    text = AUTOMATION.replace(
        "    case.total = event.total\n    return consider(case)\n",
        "    paid = event.total\n    case.total = max(paid for paid in [paid])\n    return consider(case)\n",
    )
    assert changed(tmp_path, '    case.status = "done"', '    case.status = "open"', automation=text) == {
        "reducer:Done[Pay]"
    }


# --- refusals ------------------------------------------------------------------------------------------------------

# lines before `def consider`, its first line, what is said, the text on the line it is said of
REFUSED = [
    ("from datetime import datetime", "datetime.now()", "opened -> consider -> datetime.now() reads the clock"),
    ("import datetime", "datetime.date.today()", "datetime.date.today() reads the clock"),
    ("import time", "time.time()", "time.time() reads the clock"),
    ("from time import monotonic", "monotonic()", "monotonic reads the clock"),
    ("import random", "random.random()", "random.random() draws random numbers"),
    ("from random import choice", "choice([1])", "choice draws random numbers"),
    ("import uuid", "uuid.uuid4()", "uuid.uuid4() draws random numbers"),
    ("import os", "os.environ['X']", "os.environ reads the environment"),
    ("from os import environ", "environ['X']", "environ"),
    ("from pathlib import Path", "Path('x').read_text()", "Path reads or writes files"),
    ("", "open('x')", "open() reads or writes files"),
    ("import urllib.request", "urllib.request.urlopen('x')", "urllib.request.urlopen() uses the network"),
    ("", "eval('1')", "eval() runs code that no hash covers"),
    ("", "exec('1')", "exec() runs code that no hash covers"),
    ("", "globals()", "globals() reads names that no hash covers"),
    ("", "id(case)", "id() differs from run to run"),
    ("", "hash('x')", "hash() differs from run to run"),
    ("", "getattr(case, case.status)", "getattr() reads an attribute by a computed name"),
    ("import importlib", "importlib.import_module('x')", "importlib.import_module() imports by name"),
    ("", "[x for x in {1, 2}]", "iterates over a set"),
    ("", "list(set('ab'))", "iterates over a set"),
    ("SEEN = []", "SEEN.append(1)", "SEEN is a mutable value of the module"),
    ("SEEN = {}", "SEEN['a']", "SEEN is a mutable value of the module"),
    ("RULES = (lambda: 1,)", "RULES[0]()", "RULES holds a lambda in a container"),
    ("import math", "len((math,))", "math is a module used as a value"),
    ("", "__import__('os')", "__import__() imports by name"),
    ("", "print('x')", "print() writes to the terminal"),
]


@pytest.mark.parametrize(("above", "line", "said"), REFUSED)
def test_refused(tmp_path: Path, above: str, line: str, said: str) -> None:
    text = AUTOMATION.replace("def consider(", f"{above}\n\n\ndef consider(")
    text = text.replace("    if case.total is None:\n", f"    {line}\n    if case.total is None:\n")
    folder = write(tmp_path / "tickets", automation=text)
    with pytest.raises(DefinitionErrors) as raised:
        load_release(folder)
    found = [problem for problem in raised.value.problems if said in problem.message]
    assert found, [str(problem) for problem in raised.value.problems]
    assert (found[0].file, found[0].line) == ("automation.py", line_of(folder, "automation.py", f"    {line}"))
    assert found[0].suggestion


def test_an_import_inside_a_reducer_is_refused(tmp_path: Path) -> None:
    text = AUTOMATION.replace(
        "    if case.total is None:\n", "    import time\n    time.time()\n    if case.total is None:\n"
    )
    with pytest.raises(DefinitionErrors, match="opened -> consider imports time while it runs"):
        load_release(write(tmp_path / "tickets", automation=text))


def test_the_path_leads_through_other_files(tmp_path: Path) -> None:
    text = AUTOMATION.replace("def consider(", "import limits\n\n\ndef consider(")
    text = text.replace("case.total is None:", "case.total is None or limits.today() is None:")
    limits = "from datetime import date\n\n\ndef today():\n    return date.today()\n"
    folder = write(tmp_path / "tickets", automation=text, limits=limits)
    with pytest.raises(DefinitionErrors) as raised:
        load_release(folder)
    (problem, *_) = raised.value.problems
    assert str(problem).startswith("limits.py:5: opened -> consider -> limits.today -> date.today() reads the clock.")


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("from datetime import datetime, timedelta", "datetime(2026, 1, 1) + timedelta(days=1)"),
        ("import math", "math.floor(1.5)"),
        ("import re\nWORD = re.compile('x')", "WORD.match('x')"),
        ("LIMITS = frozenset(('a', 'b'))", "'a' in LIMITS"),
        ("", "sorted({2, 1})"),
        ("", "getattr(case, 'total')"),
        ("def now(): return 1", "now()"),
        ("from functools import partial\nADD = partial(max, 1)", "ADD(2)"),
        ("from enum import Enum\nclass Colour(Enum):\n    RED = 'red'", "Colour.RED.value"),
        ("from urllib.parse import quote", "quote('x')"),
        ("", "(lambda today: today)(1)"),
        ("", "[now for now in (1, 2)]"),
    ],
)
def test_accepted(tmp_path: Path, above: str, line: str) -> None:
    text = AUTOMATION.replace("def consider(", f"{above}\n\n\ndef consider(")
    text = text.replace("    if case.total is None:\n", f"    {line}\n    if case.total is None:\n")
    assert load_release(write(tmp_path / "tickets", automation=text)).id


def test_effects_may_touch_the_world(tmp_path: Path) -> None:
    effects = (
        "import time\nfrom automation import Pay\nBOOKS = []\n\n\n@Pay.performer\n"
        "async def pay(args: Pay, key: str) -> None:\n    import json\n    BOOKS.append((time.time(), open, json))\n"
    )
    assert load_release(write(tmp_path / "tickets", effects=effects)).id


# --- the normal form -----------------------------------------------------------------------------------------------


def form(text: str) -> object:
    return normal_form(ast.parse(textwrap.dedent(text)))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("x=1", "x = 1  # one"),
        ("f'{x}'", 'f"{x}"'),
        ("u'x'", "'x'"),
        ("def f(a: int) -> str: return a", "def f(a): return a"),
        ("@d\ndef f(): pass", "def f(): pass"),
        ('def f():\n  "doc"\n  return 1', "def f(): return 1"),
        ('class A:\n  "doc"', "class A: ..."),
        ("(1)", "1"),
    ],
)
def test_equal_forms(one: str, two: str) -> None:
    assert form(one) == form(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1", "1.0"),
        ("True", "1"),
        ("'1'", "1"),
        ("b'1'", "'1'"),
        ("a < b", "a <= b"),
        ("f(a, b)", "f(b, a)"),
        ("-1", "1"),
    ],
)
def test_different_forms(one: str, two: str) -> None:
    assert form(one) != form(two)
