"""Which names a piece of code loads from outside itself, with the dotted path that follows each.

Scopes are Python's own, from `symtable`: a field called `frozen` is not the function `frozen`, and a local `now` is no
clock.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True)
class Load:
    """A name of an outer scope, with the attributes read from it (`limits.today`), and where; its call if it is one."""

    path: tuple[str, ...]
    line: int
    called_with: ast.Call | None

    @property
    def text(self) -> str:
        return ".".join(self.path) + ("()" if self.called_with is not None else "")


class SourceFile:
    """A parsed file: finds definitions by name and tells what they load."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(text)
        self._tables: dict[tuple[str, int], symtable.SymbolTable] = {}
        self._definitions: dict[tuple[str, ...], list[Definition]] = {}
        for names, node in _definitions(self.tree, ()):
            self._definitions.setdefault(names, []).append(node)
        self._collect(symtable.symtable(text, str(path), "exec"))

    def find(self, qualname: str, line: int | None) -> Definition | None:
        """The definition of this qualified name; of several, the one at the line (of its first decorator)."""
        steps = [step for step in qualname.split(".") if step != "<locals>"]
        if steps[-1] == "<lambda>":
            found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Lambda) and node.lineno == line]
            return found[0] if len(found) == 1 else None
        matches = self._definitions.get(tuple(steps), [])
        if line is not None and len(matches) > 1:
            matches = [node for node in matches if line in (_first_line(node), node.lineno)] or matches
        return matches[-1] if matches else None

    def loads(self, node: Definition) -> list[Load]:
        """Every load of a name that is not the definition's own, in the order of the text."""
        return list(_Loads(self).of(node))

    def imports(self, node: Definition) -> list[tuple[str, int]]:
        """Modules that are imported within a definition, with the line."""
        found: list[tuple[str, int]] = []
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                found += [(alias.name, inner.lineno) for alias in inner.names]
            elif isinstance(inner, ast.ImportFrom):
                found.append((inner.module or "", inner.lineno))
        return found

    def table(self, node: ast.AST) -> symtable.SymbolTable | None:
        """Python's own scope of a function or class."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return self._tables.get((node.name, node.lineno)) or self._tables.get((node.name, _first_line(node)))
        return None

    def _collect(self, table: symtable.SymbolTable) -> None:
        for child in table.get_children():
            self._tables[child.get_name(), child.get_lineno()] = child
            self._collect(child)


class _Loads:
    """One walk over a definition. `scopes`: symbol tables from outer to inner, or plain sets of local names."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.scopes: list[symtable.SymbolTable | frozenset[str]] = []

    def of(self, node: ast.AST) -> Iterator[Load]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if self.scopes:  # a nested function's defaults are evaluated outside it; the root's are values already
                    yield from self._several(
                        [*node.args.defaults, *(one for one in node.args.kw_defaults if one), *node.decorator_list]
                    )
                yield from self._inside(node, [*node.body])
            case ast.ClassDef():
                yield from self._several([*node.bases, *(keyword.value for keyword in node.keywords)])
                if self.scopes:
                    yield from self._several([*node.decorator_list])
                yield from self._inside(node, [*node.body])
            case ast.Lambda():
                yield from self._several([*node.args.defaults, *(one for one in node.args.kw_defaults if one)])
                yield from self._local(_arguments(node.args), [node.body])
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                yield from self._local(_targets(node.generators), [*node.generators, node.elt])
            case ast.DictComp():
                yield from self._local(_targets(node.generators), [*node.generators, node.key, node.value])
            case ast.AnnAssign() if not (self.scopes and self._in_class()):
                yield from self._several([one for one in (node.target, node.value) if one is not None])
            case ast.Call(func=function):
                yield from self._path(function, node)
                yield from self._several([*node.args, *(keyword.value for keyword in node.keywords)])
            case ast.Attribute() | ast.Name():
                yield from self._path(node, None)
            case _:
                yield from self._several(list(ast.iter_child_nodes(node)))

    def _several(self, nodes: list[ast.expr] | list[ast.stmt] | list[ast.AST]) -> Iterator[Load]:
        for node in nodes:
            yield from self.of(node)

    def _inside(self, node: ast.AST, body: list[ast.stmt]) -> Iterator[Load]:
        table = self.file.table(node)
        self.scopes.append(table if table is not None else frozenset())
        for statement in body:
            yield from self.of(statement)
        self.scopes.pop()

    def _local(self, names: frozenset[str], nodes: list[ast.AST]) -> Iterator[Load]:
        self.scopes.append(names)
        for node in nodes:
            yield from self.of(node)
        self.scopes.pop()

    def _in_class(self) -> bool:
        inner = self.scopes[-1]
        return isinstance(inner, symtable.Class)

    def _path(self, node: ast.AST, call: ast.Call | None) -> Iterator[Load]:
        attributes: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            attributes.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            yield from self.of(inner)
            return
        if isinstance(inner.ctx, ast.Load) and not self._is_local(inner.id):
            yield Load((inner.id, *reversed(attributes)), inner.lineno, call)

    def _is_local(self, name: str) -> bool:
        for scope in reversed(self.scopes):
            if isinstance(scope, frozenset):
                if name in scope:
                    return True
                continue
            try:
                symbol = scope.lookup(name)
            except KeyError:
                continue
            if symbol.is_free():
                continue
            if symbol.is_global():
                return False
            if symbol.is_local() or symbol.is_parameter():
                return True
        return False


def _definitions(node: ast.AST, prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = (*prefix, child.name)
            yield names, child
            yield from _definitions(child, names)
        else:
            yield from _definitions(child, prefix)


def _first_line(node: ast.AST) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)]) if isinstance(node, ast.stmt) else 0


def _arguments(arguments: ast.arguments) -> frozenset[str]:
    several = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return frozenset(one.arg for one in several if one is not None)


def _targets(generators: list[ast.comprehension]) -> frozenset[str]:
    return frozenset(
        node.id
        for generator in generators
        for node in ast.walk(generator.target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
