"""Secrets by reference: `env:NAME` or `file:PATH`. A release names where a key is, never the key.

The value is read anew for each call, so that a rotated key is used without a restart, and leaves this module only
towards a request's headers.

INVARIANT: no text of an error holds a secret's value.
"""

from __future__ import annotations

import os
from pathlib import Path

from interlock.ports import Unavailable

ENV, FILE = "env:", "file:"
SECRET_CHARS_MAX = 16_384


def resolve(reference: str) -> str:
    """The secret's value; a text that is no reference is its own value.

    Raises Unavailable for one that is not there, is empty or cannot stand in a header: asking again is no use before
    somebody has put it right.
    """
    if reference.startswith(ENV):
        name = reference.removeprefix(ENV)
        value = os.environ.get(name, "")
        missing = f"the environment variable {name} is not set"
    elif reference.startswith(FILE):
        path = Path(reference.removeprefix(FILE))
        missing = f"the file {path} holds no key"
        try:
            value = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"the key's file {path} cannot be read: {type(error).__name__}") from None
    else:
        return reference
    value = value.strip()
    if not value:
        raise Unavailable(missing)
    if len(value) > SECRET_CHARS_MAX or not value.isascii() or not value.isprintable():
        raise Unavailable(f"what {reference} holds cannot be sent as a key")
    return value
