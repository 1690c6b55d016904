"""Where things stand in a user's files: classes, fields, functions, parameters and names, by line.

Messages need it; nothing else does.
"""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType
from typing import Any


class Source:
    """Lines of one file. Unknown names are on line 1: a place is never a reason to fail."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._lines: dict[str, int] = {}
        self._decorators: dict[str, list[str]] = {}
        try:
            self._visit(ast.parse(text), "")
        except SyntaxError:
            return

    def line(self, *path: str) -> int:
        """Line of `name`, `Class.field` or `function.parameter`; the longest known beginning of the path decides."""
        for length in range(len(path), 0, -1):
            found = self._lines.get(".".join(path[:length]))
            if found is not None:
                return found
        return 1

    def _visit(self, node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.ClassDef(name=name):
                    self._lines[prefix + name] = child.lineno
                    self._visit(child, f"{prefix}{name}.")
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    self._lines[prefix + name] = child.lineno
                    for argument in (*child.args.posonlyargs, *child.args.args, *child.args.kwonlyargs):
                        self._lines[f"{prefix}{name}.{argument.arg}"] = argument.lineno
                case ast.AnnAssign(target=ast.Name(id=name), value=value):
                    self._lines[prefix + name] = child.lineno
                    self._table(prefix + name, value)
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            self._lines[prefix + target.id] = child.lineno
                            self._table(prefix + target.id, value)
                case ast.If() | ast.Try() | ast.With():
                    self._visit(child, prefix)
                case _:
                    pass

    def _table(self, name: str, value: ast.expr | None) -> None:
        """Rows of a dict display: `FLOW.paid`, and of the flow given in a call."""
        if isinstance(value, ast.Call):
            for keyword in value.keywords:
                if keyword.arg:
                    self._lines[f"{name}.{keyword.arg}"] = keyword.value.lineno
                    self._table("flow" if keyword.arg == "flow" else f"{name}.{keyword.arg}", keyword.value)
        if isinstance(value, ast.Dict):
            for key in value.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    self._lines[f"{name}.{key.value}"] = key.lineno


def source_of(module: ModuleType) -> Source:
    """The file of a module; empty for one that has none (a REPL)."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return Source(f"<{module.__name__}>", "")
    try:
        return Source(Path(file).name, Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return Source(Path(file).name, "")


class Sources:
    """The files of several modules, by module name."""

    def __init__(self, modules: tuple[ModuleType, ...]) -> None:
        self._by_module = {module.__name__: source_of(module) for module in modules}
        self._first = next(iter(self._by_module.values()))

    def of(self, thing: Any) -> Source:
        """The file where a class or function was written."""
        return self._by_module.get(getattr(thing, "__module__", ""), self._first)

    def place(self, thing: Any, *inner: str) -> tuple[str, int]:
        """File and line of a class or function, or of a field or parameter in it."""
        source = self.of(thing)
        return source.file, source.line(*getattr(thing, "__qualname__", "").split("."), *inner)

    def named(self, *path: str) -> tuple[str, int]:
        """File and line of a module-level name of automation.py."""
        return self._first.file, self._first.line(*path)
