"""Import the files of one automation folder without touching those of another.

Every folder has a module called `automation` and most have one called `effects`; a process may hold many. A folder's
files are therefore
imported under names of their own, and `import bank` within them means the folder's bank. If a file was already
imported in the ordinary way (a test beside it, an embedding script, a program that imports it as part of a package),
that very module is used: two copies of one class would never be equal.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, cast

from interlock.vocabulary.errors import DefinitionErrors, Problem

_PREFIX = "interlock_folder_"
_folders: dict[str, Folder] = {}
_lock = threading.RLock()


class Folder:
    """The import scope of one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = hashlib.sha256(str(path).encode()).hexdigest()[:12]
        self.builtins = {**vars(builtins), "__import__": self._import}

    def has(self, name: str) -> bool:
        """Whether `import name` within the folder means one of its own files."""
        return name.isidentifier() and self.file(name) is not None

    def file(self, name: str) -> Path | None:
        for candidate in (self.path / f"{name}.py", self.path / name / "__init__.py"):
            if candidate.is_file():
                return candidate
        return None

    def load(self, name: str) -> ModuleType:
        """Import one of the folder's files. A mistake of its author raises DefinitionErrors with file and line."""
        file = self.file(name)
        if file is None:
            raise DefinitionErrors([Problem(f"{name}.py", 1, f"{self.path} has no file {name}.py.")])
        with _lock:
            found = self._imported(name, file)
            if found is not None:
                return found
            try:
                with warnings.catch_warnings():
                    # A field named `meta` is a problem of its own, with its line; pydantic's warning has neither.
                    warnings.filterwarnings("ignore", message='Field name "meta"', category=UserWarning)
                    return importlib.import_module(self._unique(name))
            except SyntaxError as error:
                where = Path(error.filename).name if error.filename else file.name
                raise DefinitionErrors(
                    [Problem(where, error.lineno or 1, f"{error.msg}.", column=error.offset or 0)]
                ) from None
            except DefinitionErrors:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a user's module raises while it is imported is the author's to mend
                raise DefinitionErrors([self._blame(error, file)]) from None

    def _blame(self, error: Exception, file: Path) -> Problem:
        """The innermost line of the folder's own files that led to the error."""
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(self.path)
        ]
        name, line = (Path(frames[-1].filename).name, frames[-1].lineno or 1) if frames else (file.name, 1)
        text = str(error).strip().splitlines()
        said = text[0] if text else "no message"
        suggestion = "Install it, or mend the name." if isinstance(error, ModuleNotFoundError) else ""
        return Problem(
            name, line, f"importing {file.name} failed: {type(error).__name__}: {said}.".replace("..", "."), suggestion
        )

    def _unique(self, name: str) -> str:
        return f"{_PREFIX}{self.token}_{name}"

    def _imported(self, name: str, file: Path) -> ModuleType | None:
        """The module of this very file if somebody imported it in the ordinary way, under whatever name: a program
        that holds two automations imports them as `refunds.automation` and `comments.automation`.
        """
        known = [one for one in (sys.modules.get(name), sys.modules.get("__main__")) if one is not None]
        for module in (*known, *list(sys.modules.values())):
            where = getattr(module, "__file__", None)
            # Reading the file system for every module of the process would take longer than the import itself.
            if isinstance(where, str) and where.endswith(file.name) and Path(where).resolve() == file:
                return module
        return sys.modules.get(self._unique(name))

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top, _, rest = name.partition(".")
        if level or not self.has(top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        with _lock:
            module = self._imported(top, cast("Path", self.file(top)))
            if module is None:
                module = importlib.import_module(self._unique(top))
            full = module.__name__
            if rest:
                full = f"{full}.{rest}"
                importlib.import_module(full)
            if not fromlist:
                return module
            last = sys.modules[full]
            for one in fromlist:
                if not hasattr(last, one) and hasattr(last, "__path__"):
                    importlib.import_module(f"{full}.{one}")
            return last


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs a folder's file with the folder's `import`, and leaves no compiled files in a user's folder."""

    folder: Folder

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self.folder.builtins
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules by the unique names that folders give out; knows no others."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if not fullname.startswith(_PREFIX):
            return None
        token, _, name = fullname.removeprefix(_PREFIX).partition("_")
        folder = _folders.get(token)
        if folder is None:
            return None
        file = folder.path.joinpath(*name.split("."))
        init = file / "__init__.py"
        where = init if init.is_file() else file.with_name(f"{file.name}.py")
        if not where.is_file():
            return None
        loader = _Loader(fullname, str(where))
        loader.folder = folder
        return importlib.util.spec_from_file_location(
            fullname, where, loader=loader, submodule_search_locations=[str(init.parent)] if where == init else None
        )


_finder = _Finder()


def folder_at(path: Path) -> Folder:
    """The import scope of a folder, one per process."""
    path = path.resolve()
    with _lock:
        folder = Folder(path)
        known = _folders.setdefault(folder.token, folder)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
    return known


def forget(path: Path) -> None:
    """Forget a folder's modules, so that the next load reads its files again (a changed file, a test's temporary
    folder).
    """
    folder = folder_at(path)
    with _lock:
        for name in [name for name in sys.modules if name.startswith(f"{_PREFIX}{folder.token}_")]:
            del sys.modules[name]
