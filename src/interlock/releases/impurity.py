"""What a pure function may not touch, in words: the clock, chance, the environment, files, the network, identity, set
order.

The list is of doors, not of every room behind them. It helps an author early; that reducers are pure is proved by
running them twice
(the law tests) and by replay.
"""

from __future__ import annotations

import ast
from typing import Any

MODULES = {
    "time": "reads the clock",
    "random": "draws random numbers",
    "secrets": "draws random numbers",
    "uuid": "draws random numbers",
    "os": "reads the environment",
    "sys": "reads the environment",
    "platform": "reads the environment",
    "locale": "reads the environment",
    "getpass": "reads the environment",
    "io": "reads or writes files",
    "pathlib": "reads or writes files",
    "shutil": "reads or writes files",
    "tempfile": "reads or writes files",
    "glob": "reads or writes files",
    "sqlite3": "reads or writes files",
    "logging": "reads or writes files",
    "socket": "uses the network",
    "ssl": "uses the network",
    "http": "uses the network",
    "urllib": "uses the network",
    "smtplib": "uses the network",
    "subprocess": "starts programs",
    "multiprocessing": "starts programs",
    "threading": "depends on other threads",
    "asyncio": "depends on other tasks",
    "concurrent": "depends on other threads",
    "signal": "depends on the process",
    "gc": "depends on the process",
    "weakref": "depends on the process",
    "ctypes": "leaves Python",
    "importlib": "imports by name",
    "builtins": "imports by name",
}
"""Top-level modules of the standard library with the reason against each.

`urllib.parse` is an exception, see `reason_of_module`.
"""

BUILTINS = {
    "open": "reads or writes files",
    "input": "waits for a person",
    "print": "writes to the terminal",
    "eval": "runs code that no hash covers",
    "exec": "runs code that no hash covers",
    "compile": "runs code that no hash covers",
    "__import__": "imports by name",
    "globals": "reads names that no hash covers",
    "locals": "reads names that no hash covers",
    "vars": "reads names that no hash covers",
    "id": "differs from run to run",
    "hash": "differs from run to run",
    "breakpoint": "waits for a person",
    "memoryview": "leaves Python's values",
}

CLOCKS = frozenset(("now", "utcnow", "today"))
"""Class methods of datetime and date that read the clock."""


def reason_of_module(name: str) -> str | None:
    """Why a module of the standard library has no place in a pure function; None if it has."""
    if name == "urllib.parse" or name.startswith("urllib.parse."):
        return None
    return MODULES.get(name.partition(".")[0])


def reason_of_call(name: str, call: ast.Call) -> str | None:
    """Why calling this built-in so is refused: attributes by a computed name."""
    if name in ("getattr", "setattr", "delattr", "hasattr"):
        if len(call.args) >= 2 and isinstance(call.args[1], ast.Constant):
            return None
        return "reads an attribute by a computed name"
    return None


def set_iterations(node: ast.AST) -> list[int]:
    """Lines where a set is iterated over: its order differs from run to run. sorted(...) of it does not."""
    iterated: list[ast.expr] = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.For | ast.comprehension):
            iterated.append(inner.iter)
        elif (
            isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Name)
            and inner.func.id in ("list", "tuple", "next", "iter", "enumerate")
        ):
            iterated += inner.args[:1]
        elif isinstance(inner, ast.Starred):
            iterated.append(inner.value)
    return [one.lineno for one in iterated if _is_set(one)]


def _is_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_set(left) or _is_set(right)
        case _:
            return False


def is_clock(owner: Any, attribute: str) -> bool:
    """`datetime.now`, `date.today` and the like."""
    return attribute in CLOCKS and getattr(owner, "__module__", "") == "datetime"
