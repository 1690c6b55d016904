"""What can influence a function: its component hash.

Here the hash of a function covers the whole text of every file of its folder that was imported, and the interpreter.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from interlock.vocabulary import canonical


class Closures:
    """Hashes of one release's code."""

    def __init__(self, folder: Path, modules: Sequence[ModuleType]) -> None:
        self._files = {
            Path(module.__file__).name: hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()
            for module in modules
            if module.__file__
        }

    def pure(self, function: Callable[..., Any]) -> str:
        """Hash of a function that must be pure."""
        return canonical.digest([function.__qualname__, self._files])

    def effectful(self, function: Callable[..., Any]) -> str:
        """Hash of a function that may touch the world."""
        return canonical.digest([function.__qualname__, self._files])

    def type_component(self, cls: type[Any] | None, shape: Any) -> str:
        """Hash of a stored type: its shape and its own code."""
        return canonical.digest([shape, self._files])

    def environment(self) -> dict[str, str]:
        """What the code ran on."""
        return {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}

    def functions(self) -> dict[str, str]:
        """Hash of each function and class by name, so that a difference can be told by the helper that changed."""
        return dict(self._files)

    def close(self) -> None:
        """Raise DefinitionErrors for everything that was refused."""
