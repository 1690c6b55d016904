"""The closure of a function: everything of the user's that can influence it, each piece hashed by itself.

From a function the walk follows every name and dotted path that it loads from outside: user functions and classes
(recursively),
constants by value, installed distributions by name, version and RECORD. Types of the automation are components of
their own and are
followed by name only, so that two components never hide in one hash.

What no hash can be honest about is refused with the path to it: `presented -> consider -> limits.today() reads the
clock`. Functions that
touch the world (performers, advisors) are hashed the same way and refused nothing: theirs is another question.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import importlib.metadata
import re
import sys
import sysconfig
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from interlock.releases.impurity import BUILTINS, is_clock, reason_of_call, reason_of_module, set_iterations
from interlock.releases.normalform import integer_form, normal_form, text_form
from interlock.releases.scopes import Load, SourceFile
from interlock.vocabulary import canonical
from interlock.vocabulary.errors import DefinitionErrors, Problem

Trail = tuple[str, ...]


class Closures:
    """Hashes of one release's code. Collect with `pure`, `effectful` and `type_component`, then `close`."""

    def __init__(self, folder: Path, declared: Iterable[type[Any]]) -> None:
        self.folder = folder
        self._declared = frozenset(declared)
        self._files: dict[str, SourceFile] = {}
        self._pieces: dict[str, str] = {}
        self._distributions: dict[str, str] = {}
        self._problems: dict[tuple[str, int, str], Problem] = {}
        self._reaches: dict[str, tuple[str, ...]] = {}
        self._distribution("pydantic")  # every type is checked by it

    def pure(self, function: Callable[..., Any], component: str = "") -> str:
        """Hash of a function that must be pure, over everything that it reaches."""
        return self._component(function, True, component)

    def effectful(self, function: Callable[..., Any], component: str = "") -> str:
        """Hash of a function that may touch the world."""
        return self._component(function, False, component)

    def type_component(self, cls: type[Any] | None, shape: Any) -> str:
        """Hash of a type of the automation: its shape, and its code with all that it reaches."""
        if cls is None:
            return canonical.digest([shape])
        walk = _Walk(self, True)
        walk.user_class(cls, (cls.__name__,), own=True)
        return canonical.digest([shape, walk.pieces])

    def environment(self) -> dict[str, str]:
        """What the code runs on: the interpreter's minor version, and every distribution it reaches."""
        return {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            **dict(sorted(self._distributions.items())),
        }

    def functions(self) -> dict[str, str]:
        """Hash of each function and class by itself, so that a difference can be told by the helper that changed."""
        return dict(sorted(self._pieces.items()))

    def reaches(self) -> dict[str, list[str]]:
        """Per component, the functions and classes that it reaches."""
        return {component: list(names) for component, names in sorted(self._reaches.items())}

    def close(self) -> None:
        """Raise DefinitionErrors for everything that was refused."""
        if self._problems:
            raise DefinitionErrors(sorted(self._problems.values(), key=lambda p: (p.file, p.line, p.message)))

    # --- for the walk ------------------------------------------------------------------------------------------------

    def _component(self, function: Callable[..., Any], pure: bool, component: str) -> str:
        walk = _Walk(self, pure)
        walk.value(function, (function.__name__,), Place(function, None))
        if component:
            self._reaches[component] = tuple(sorted(walk.pieces))
        return canonical.digest(walk.pieces)

    def is_declared(self, cls: type[Any]) -> bool:
        """Whether the class is a component of its own."""
        return cls in self._declared

    def file(self, name: str) -> SourceFile | None:
        """The parsed file of a code object, None for code without one."""
        if name not in self._files:
            try:
                self._files[name] = SourceFile(Path(name))
            except (OSError, SyntaxError, UnicodeDecodeError):
                return None
        return self._files[name]

    def shown(self, file: str) -> str:
        """A file as its author knows it: relative to the folder."""
        path = Path(file)
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else path.name

    def keep(self, name: str, hash_: str) -> None:
        self._pieces[name] = hash_

    def refuse(self, place: Place, trail: Trail, what: str, instead: str) -> None:
        file, line = place.where()
        shown = self.shown(file) if file else "automation.py"
        message = f"{' -> '.join(trail)} {what}."
        # Several reducers lead to the same place; one path to it is enough.
        self._problems.setdefault((shown, line, f"{trail[-1]} {what}"), Problem(shown, line, message, instead))

    def _distribution(self, name: str) -> None:
        self._distributions.setdefault(name, distribution_hash(name))

    def reach_module(self, module: str) -> str | None:
        """The distribution that a module comes from, noted; None if it comes from none."""
        name = _distribution_of(module.partition(".")[0])
        if name is not None:
            self._distribution(name)
        return name


class Place:
    """Where something stands: in a definition, at a line."""

    def __init__(self, owner: Any, line: int | None) -> None:
        self.owner = owner
        self.line = line

    def where(self) -> tuple[str, int]:
        code = getattr(self.owner, "__code__", None)
        if code is not None:
            return code.co_filename, self.line or code.co_firstlineno
        module = sys.modules.get(getattr(self.owner, "__module__", ""))
        return getattr(module, "__file__", "") or "", self.line or 1


_NOTHING: Any = object()


class _Walk:
    """One closure: `pieces` by name.

    Functions and classes are pieces; everything else is part of the piece that loads it.
    """

    def __init__(self, closures: Closures, pure: bool) -> None:
        self.closures = closures
        self.pure = pure
        self.pieces: dict[str, str] = {}

    # --- functions and classes ---------------------------------------------------------------------------------------

    def function(self, function: types.FunctionType, trail: Trail) -> Any:
        code = function.__code__
        name = f"{self.closures.shown(code.co_filename)}:{function.__qualname__}"
        if name in self.pieces:
            return ["function", name]
        place = Place(function, None)
        file = self.closures.file(code.co_filename)
        node = file.find(function.__qualname__, code.co_firstlineno) if file is not None else None
        if file is None or node is None:
            return self.refused(
                place, trail, "has no source to hash", "Write it as a function in a file, not as a lambda among others."
            )
        self.pieces[name] = ""  # recursion ends here
        parts: list[Any] = [normal_form(node)]
        defaults = [
            *(function.__defaults__ or ()),
            *(value for _, value in sorted((function.__kwdefaults__ or {}).items())),
        ]
        parts.append([self.value(value, (*trail, "its default argument"), place) for value in defaults])
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        parts.append(self.loads(file, node, function.__globals__, cells, trail, function))
        self.pieces[name] = canonical.digest(parts)
        self.closures.keep(name, self.pieces[name])
        return ["function", name]

    def user_class(self, cls: type[Any], trail: Trail, *, own: bool = False) -> Any:
        if self.closures.is_declared(cls) and not own:
            return ["type", cls.__name__]
        module = sys.modules.get(cls.__module__)
        filename = getattr(module, "__file__", None)
        name = f"{self.closures.shown(filename) if filename else cls.__module__}:{cls.__qualname__}"
        if name in self.pieces:
            return ["class", name]
        file = self.closures.file(filename) if isinstance(filename, str) else None
        node = file.find(cls.__qualname__, None) if file is not None else None
        if file is None or node is None or module is None:
            return self.refused(
                Place(cls, None), trail, "is a class without source to hash", "Write it in a file of the automation."
            )
        self.pieces[name] = ""
        parts = [normal_form(node), self.loads(file, node, vars(module), {}, trail, cls)]
        self.pieces[name] = canonical.digest(parts)
        self.closures.keep(name, self.pieces[name])
        return ["class", name]

    def loads(
        self, file: SourceFile, node: Any, names: Mapping[str, Any], cells: Mapping[str, Any], trail: Trail, owner: Any
    ) -> list[Any]:
        """What each loaded path means, in the order of the text, each once."""
        meanings: dict[str, Any] = {}
        for load in file.loads(node):
            text = ".".join(load.path)
            if text in meanings and load.called_with is None:
                continue
            meanings[text] = self.load(load, names, cells, trail, Place(owner, load.line))
        for module, line in file.imports(node):
            if self.pure:
                self.closures.refuse(
                    Place(owner, line), trail, f"imports {module} while it runs", "Import it at the top of the file."
                )
            elif not _is_stdlib(module):
                meanings[f"import {module}"] = self.closures.reach_module(module) or module
        if self.pure:
            for line in set_iterations(node):
                self.closures.refuse(
                    Place(owner, line),
                    trail,
                    "iterates over a set, whose order differs from run to run",
                    "Iterate over sorted(...) of it.",
                )
        return [[text, meaning] for text, meaning in sorted(meanings.items())]

    def load(self, load: Load, names: Mapping[str, Any], cells: Mapping[str, Any], trail: Trail, place: Place) -> Any:
        first = load.path[0]
        value = _NOTHING
        if first in cells:
            try:
                value = cells[first].cell_contents
            except ValueError:
                return ["unset"]
        elif first in names:
            value = names[first]
        elif hasattr(builtins, first):
            return self.builtin(load, trail, place)
        if value is _NOTHING:
            return ["unknown", first]  # raises NameError when it runs: an outcome like any other
        seen = [first]
        rest = list(load.path[1:])
        while isinstance(value, types.ModuleType):
            why = reason_of_module(value.__name__) if _is_stdlib(value.__name__) else None
            if why is not None and self.pure:
                return self.refused(
                    place, (*trail, load.text), why, _INSTEAD.get(why, "Let an event, a timer or an advisor bring it.")
                )
            if not rest:
                return (
                    self.refused(place, (*trail, first), "is a module used as a value", "Name what you need of it.")
                    if self.pure
                    else ["module", value.__name__]
                )
            owner, step = value, rest.pop(0)
            seen.append(step)
            value = getattr(value, step, _NOTHING)
            if value is _NOTHING:
                return ["unknown", owner.__name__, step]
        if rest and is_clock(value, rest[0]) and self.pure:
            return self.refused(
                place, (*trail, load.text), "reads the clock", "Use `m.meta.now`, the recorded time of the turn."
            )
        said = ".".join(seen)
        label = load.text if load.called_with is not None and not rest else said
        return self.value(value, (*trail, label.removesuffix("()")), place)

    def builtin(self, load: Load, trail: Trail, place: Place) -> Any:
        name = load.path[0]
        if self.pure:
            why = BUILTINS.get(name)
            if why is None and load.called_with is not None and len(load.path) == 1:
                why = reason_of_call(name, load.called_with)
            if why is not None:
                return self.refused(place, (*trail, load.text), why, _INSTEAD.get(why, "Write it without."))
        return ["builtin", name]

    # --- values ------------------------------------------------------------------------------------------------------

    def value(self, value: Any, trail: Trail, place: Place) -> Any:
        """What a value is, as plain data; functions and classes become pieces."""
        constant = _constant(value)
        if constant is not None:
            return constant
        match value:
            case types.FunctionType():
                module = cast("str | None", value.__module__) or ""  # none: it was made by exec
                return (
                    self.function(value, trail)
                    if _is_user(module, self.closures.folder)
                    else self.library(module, value.__qualname__, trail, place)
                )
            case types.BuiltinFunctionType() | types.MethodDescriptorType() | types.WrapperDescriptorType():
                owner = getattr(value, "__self__", None)
                module = (
                    value.__module__ if isinstance(getattr(value, "__module__", None), str) else type(owner).__module__
                )
                return self.library(module, value.__qualname__, trail, place)
            case types.MethodType():
                return ["method", self.value(value.__self__, trail, place), self.value(value.__func__, trail, place)]
            case type():
                return self.class_of(cast("type[Any]", value), trail, place)
            case functools.partial():
                part = cast("functools.partial[Any]", value)
                arguments = [part.func, *part.args, *(one for _, one in sorted(part.keywords.items()))]
                return ["partial", sorted(part.keywords), [self.value(one, trail, place) for one in arguments]]
            case tuple() | frozenset():
                ordered = isinstance(value, tuple)
                several = [self.inner(one, trail, place) for one in cast("tuple[Any, ...]", value)]
                if ordered:
                    return ["tuple", several]
                return ["frozenset", sorted(several, key=canonical.encode)]
            case types.MappingProxyType():
                items = cast("Mapping[Any, Any]", value).items()
                return [
                    "mapping",
                    sorted(
                        ([self.inner(k, trail, place), self.inner(v, trail, place)] for k, v in items),
                        key=canonical.encode,
                    ),
                ]
            case re.Pattern():
                pattern = cast("re.Pattern[str]", value)
                return ["pattern", str(pattern.pattern), pattern.flags]
            case _:
                return self.other(value, trail, place)

    def inner(self, value: Any, trail: Trail, place: Place) -> Any:
        """A value inside a container. A lambda there has no name to find it by."""
        if isinstance(value, types.FunctionType) and value.__name__ == "<lambda>" and self.pure:
            return self.refused(place, trail, "holds a lambda in a container", "Name it: write a function.")
        return self.value(value, trail, place)

    def class_of(self, cls: type[Any], trail: Trail, place: Place) -> Any:
        arguments = (
            getattr(cls, "__pydantic_generic_metadata__", {}).get("args")
            if hasattr(cls, "__pydantic_generic_metadata__")
            else None
        )
        if arguments:
            origin = cls.__pydantic_generic_metadata__["origin"]
            return ["generic", self.value(origin, trail, place), [self.value(one, trail, place) for one in arguments]]
        if _is_user(cls.__module__, self.closures.folder):
            return self.user_class(cls, trail)
        return self.library(cls.__module__, cls.__qualname__, trail, place)

    def other(self, value: Any, trail: Trail, place: Place) -> Any:
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):  # functools.cache and its kind: pure if what they wrap is
            return ["wrapped", type(value).__name__, self.value(wrapped, trail, place)]
        origin = typing.get_origin(value)
        if origin is not None or isinstance(value, typing.TypeVar | typing.ForwardRef):
            metadata = [repr(one) for one in getattr(value, "__metadata__", ())]
            return [
                "annotation",
                repr(origin),
                [self.value(one, trail, place) for one in typing.get_args(value)[: None if not metadata else 1]],
                metadata,
            ]
        cls = cast("type[Any]", type(value))
        if cls.__module__ in ("typing", "types", "typing_extensions") or value in (typing.Any, ...):
            return ["annotation", repr(value)]
        if isinstance(value, BaseModel) and value.model_config.get("frozen"):
            fields = [[name, self.inner(one, trail, place)] for name, one in value]
            return ["model", self.value(cls, trail, place), fields]
        if cls.__module__.startswith("interlock."):
            return (
                self.refused(
                    place,
                    trail,
                    f"uses a {cls.__name__}, which no reducer needs",
                    "Reducers get the case and the message.",
                )
                if self.pure
                else ["interlock", cls.__name__]
            )
        if not self.pure:
            return ["instance", self.value(cls, trail, place)]
        what = (
            "is a mutable value of the module"
            if isinstance(value, list | dict | set | bytearray)
            else f"is a {cls.__name__}, which may change"
        )
        return self.refused(
            place, trail, what, "Use a tuple, a frozenset or types.MappingProxyType, or a frozen model."
        )

    def library(self, module: str, name: str, trail: Trail, place: Place) -> Any:
        """Code that is not the user's: the interlock itself, the standard library, a distribution, or nothing known."""
        top = module.partition(".")[0]
        if top == "interlock":
            return ["interlock", name]
        if top == "builtins":
            return ["builtin", name]
        if _is_stdlib(module):
            why = reason_of_module(module)
            if why is not None and self.pure:
                return self.refused(
                    place, trail, why, _INSTEAD.get(why, "Let an event, a timer or an advisor bring it.")
                )
            return ["stdlib", module, name]
        found = self.closures.reach_module(module)
        if found is None and self.pure:
            return self.refused(
                place,
                trail,
                f"comes from {module}, which is neither source nor an installed distribution",
                "Install it as a distribution.",
            )
        return ["distribution", found or module, name]

    def refused(self, place: Place, trail: Trail, what: str, instead: str) -> Any:
        if self.pure:
            self.closures.refuse(place, trail, what, instead)
        return ["refused", what]


_INSTEAD = {
    "reads the clock": "Use `m.meta.now`, the recorded time of the turn.",
    "draws random numbers": "Let an event bring the value, so that the record has it.",
    "reads the environment": "What influences a decision belongs into release.toml or an event.",
    "reads or writes files": "Ask an advisor, or let an event bring the content.",
    "uses the network": "Ask an advisor, or let a performer do it.",
    "differs from run to run": "Compare the values themselves.",
}


def _constant(value: Any) -> Any:
    """An immutable value by value and type; None if it is none."""
    match value:
        case None | bool():
            return ["constant", value]
        case str():
            return ["constant", text_form(value)]
        case Enum():
            return ["enum", type(value).__qualname__, value.name, _constant(value.value) or repr(value.value)]
        case int():
            return ["constant", type(value).__name__, integer_form(value)]
        case float() | complex() | Decimal():
            return ["constant", type(value).__name__, str(value)]
        case bytes():
            return ["constant", "bytes", value.hex()]
        case datetime() | date() | time() | timedelta() | timezone():
            return ["constant", type(value).__name__, repr(value)]
        case _:
            return None


def _is_stdlib(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _is_user(module: str, folder: Path) -> bool:
    """Whether a module is the author's own source: in the folder, or from anywhere but a library.

    A folder may itself lie within a library: a demonstration that is installed with it is its own author. A library may
    be links to files elsewhere (some installers make them), so its files count by either name.
    """
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(module), "__file__", None)
    if not isinstance(file, str):
        return False
    path = Path(file).resolve()
    if path.is_relative_to(folder):
        return True
    if top in ("interlock", "builtins") or _is_stdlib(module):
        return False
    places = (path, Path(file))
    return path.suffix == ".py" and not any(place.is_relative_to(root) for root in _library_roots() for place in places)


@cache
def _library_roots() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = [Path(path) for name in names if (path := sysconfig.get_path(name))]
    return tuple({*paths, *(path.resolve() for path in paths)})


@cache
def _records() -> tuple[tuple[str, str], ...]:
    """Name and RECORD of every installed distribution."""
    return tuple((one.name, one.read_text("RECORD") or "") for one in importlib.metadata.distributions())


@cache
def _distribution_of(module: str) -> str | None:
    """The distribution whose RECORD lists the module. `packages_distributions` would stat every file of every one."""
    try:
        return importlib.metadata.distribution(module).name
    except importlib.metadata.PackageNotFoundError:
        for name, record in _records():
            if any(record.startswith(start) or f"\n{start}" in record for start in (f"{module}/", f"{module}.py,")):
                return name
        return None


@cache
def distribution_hash(name: str) -> str:
    """Version of a distribution, and the hash of the RECORD that lists its files' hashes."""
    distribution = importlib.metadata.distribution(name)
    record = distribution.read_text("RECORD") or ""
    return f"{distribution.version}:{hashlib.sha256(_stable_record(record).encode()).hexdigest()[:16]}"


def _stable_record(record: str) -> str:
    """The hashed lines of a RECORD, sorted: installers add lines of their own (INSTALLER, compiled files, scripts)."""
    lines = [
        line for line in record.splitlines() if ",sha256=" in line and ".dist-info/" not in line and "../" not in line
    ]
    return "\n".join(sorted(lines))
