"""Pages of docs/reference that are written from the code: `./dev exec python -m tests.docs.pages` writes them all.

A page takes from the code what stands there (names, types, defaults, signatures) and adds words where the code has
none. A test compares each file with what is written here, and each set of words with what the code knows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.docs.pages import api, errors, release_toml, settings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings.page,
    "release-toml.md": release_toml.page,
    "errors.md": errors.page,
    "api.md": api.page,
}
