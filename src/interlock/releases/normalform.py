"""The normal form of code: what it does, without how it is laid out.

A syntax tree as plain data, without comments, docstrings, decorators, annotations of functions, positions and empty
fields. It is our
own form and not `ast.dump`, whose output differs between Python versions; 3.11 to 3.14 agree on this one.

INVARIANT: two pieces of code with equal normal forms, and equal things behind the names that they load, compute the
same.
"""

from __future__ import annotations

import ast
from typing import Any, cast

_SKIPPED_FIELDS = frozenset(("ctx", "type_comment", "kind", "decorator_list", "returns", "type_ignores"))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

DECIMAL_BITS_MAX = 10_000
"""About 3,000 digits; Python refuses to write more than 4,300."""


def normal_form(node: ast.AST) -> Any:
    """Plain data of a syntax tree: [type, {field: value}], empty fields left out."""
    fields: dict[str, Any] = {}
    for name, value in ast.iter_fields(node):
        if name in _SKIPPED_FIELDS or value is None or value == []:
            continue
        if name == "annotation" and isinstance(node, ast.arg):
            continue
        documented = isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Module)) and name == "body"
        fields[name] = _value(without_docstring(cast("list[ast.stmt]", value)) if documented else value)
    if isinstance(node, ast.Constant):
        fields["value"] = _constant(node.value)
    return [type(node).__name__, fields]


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """A body without its docstring. A body of nothing else is a `pass`."""
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest or [ast.Pass()]
        case [ast.Expr(value=ast.Constant(value=value))] if value is ...:
            return [ast.Pass()]
        case _:
            return body


def _value(value: Any) -> Any:
    if isinstance(value, ast.AST):
        return normal_form(value)
    if isinstance(value, list):
        return [_value(one) for one in cast("list[Any]", value)]
    return _constant(value)


def _constant(value: Any) -> Any:
    """A constant with its type: True, 1 and 1.0 are three different ones."""
    match value:
        case None | bool():
            return value
        case str():
            return text_form(value)
        case int():
            return ["int", integer_form(value)]
        case float() | complex():
            return [type(value).__name__, repr(value)]
        case bytes():
            return ["bytes", value.hex()]
        case _:
            return [type(value).__name__]


def text_form(value: str) -> Any:
    """Text as it is; with escapes where it holds a lone surrogate, which no hash of UTF-8 could cover."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return ["str", ascii(value)]
    return value


def integer_form(value: int) -> str:
    """An integer's digits; hexadecimal ones where it is longer than Python agrees to write in decimal."""
    return str(value) if value.bit_length() <= DECIMAL_BITS_MAX else hex(value)
