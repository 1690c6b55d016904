"""docs/reference/api.md: the public names of `interlock` and `interlock.testing`, as declared and described."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from inspect import cleandoc
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import interlock
import interlock.assembly
import interlock.automation
import interlock.settings
import interlock.testing
import interlock.vocabulary.errors

HEAD = """\
# The Python interface

<!-- Written by `python -m tests.docs.pages`; change the docstrings, not this file. -->

What an automation is written with is imported from `interlock`, what its tests need from `interlock.testing`; then come
what an embedded interlock hands out and takes, and the root of its [errors](errors.md). What begins with an underscore,
and what is not here, may change in any version. How the pieces go together:
[the tutorial](../tutorial/first-automation.md) and [how to embed](../howto/embed.md).
"""


PUBLIC: dict[ModuleType, list[str]] = {
    interlock: sorted(interlock.__all__),
    interlock.testing: sorted(interlock.testing.__all__),
    interlock.assembly: ["BlockingHandle", "Handle", "Snapshot"],
    interlock.settings: ["Settings"],
    interlock.vocabulary.errors: ["InterlockError"],
}

MODULE = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")
"""What stands before a class's name, in an annotation that is no text."""


def page() -> str:
    """The whole document."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield HEAD.rstrip("\n")
    for module, names in PUBLIC.items():
        yield f"\n## {module.__name__}\n"
        for name in names:
            yield from _name(module, name)


def _name(module: ModuleType, name: str) -> Iterator[str]:
    value: Any = getattr(module, name)
    yield f"### {name}\n"
    if inspect.isclass(value):
        bases = [base.__name__ for base in value.__bases__ if base.__module__.startswith("interlock")]
        own = "__init__" in vars(value) or is_dataclass(value)
        yield f"```text\nclass {name}{_signature(value) if own else ''}\n```\n"
        if bases:
            yield f"A kind of {', '.join(f'`{base}`' for base in bases)}.\n"
        yield _first(value) + "\n"
        members = [(each, member) for each, member in vars(value).items() if _shown(each, member)]
        if members:
            yield "| member | |\n|---|---|"
            for each, member in members:
                yield f"| {_member(each, member)} | {_cell(_first(member))} |"
            yield ""
    elif inspect.isfunction(value):
        yield f"```text\n{name}{_signature(value)}\n```\n"
        yield _first(value) + "\n"
    else:
        written, said = aliases()[name]
        yield f"```python\n{written}\n```\n"
        yield said + "\n"


@cache
def aliases() -> dict[str, tuple[str, str]]:
    """Names for types, as they are written and with the text that stands below them."""
    found: dict[str, tuple[str, str]] = {}
    for file in sorted(Path(interlock.automation.__file__).parent.glob("*.py")):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for node, below in pairwise(body):
            match node, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()),
                    ast.Expr(value=ast.Constant(value=str(said))),
                ):
                    found[name] = (ast.unparse(node), " ".join(said.split()))
                case _:
                    pass
    return found


def _shown(name: str, member: Any) -> bool:
    plain = inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod)
    return plain and not name.startswith("_") and bool(_first(member))


def _member(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"`{name}`"
    function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    word = "async " if inspect.iscoroutinefunction(function) else ""
    return f"`{word}{name}{_signature(function)}`".replace("|", "\\|")


def _signature(value: Any) -> str:
    """As written, without `self` and with the modules' names taken off; a default that is no plain value is `...`."""
    signature = inspect.signature(value)
    shown: list[str] = []
    star = False
    for one in signature.parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not star:
            shown.append("*")
        star = star or one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        text = f"{stars}{one.name}: {_annotation(one.annotation)}"
        if one.default is not one.empty:
            plain = one.default is None or isinstance(one.default, str | int | float | tuple)
            text += f" = {one.default!r}" if plain else " = ..."
        shown.append(text)
    comes = "" if inspect.isclass(value) else f" -> {_annotation(signature.return_annotation)}"
    return f"({', '.join(shown)}){comes}"


def _annotation(value: Any) -> str:
    text = value if isinstance(value, str) else inspect.formatannotation(value)
    return MODULE.sub("", text)


def _first(value: Any) -> str:
    """The first paragraph of what an object says of itself, not of what it inherits."""
    said = value.fget.__doc__ if isinstance(value, property) else getattr(value, "__doc__", None)
    inherited = {base.__doc__ for base in inspect.getmro(value)[1:]} if inspect.isclass(value) else set[Any]()
    if not said or said in inherited:
        return ""
    return " ".join(cleandoc(said).split("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
