"""From what a command line names to a policy: a document, or an automation's folder.

A document without a `schema:` block gets its schema from the automation beside it, else from that of --app. So a
candidate for tomorrow's policy is a file beside today's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.cli.options import Invocation
from interlock.vocabulary.errors import NotFound, Refused

if TYPE_CHECKING:
    from interlock.policy import Policy
    from interlock.releases import Loaded
    from interlock.vocabulary.release import Certificate


@dataclass(frozen=True)
class Named:
    """A policy, and what its automation says of autonomy (`certificates` None: it stands alone)."""

    policy: Policy
    certificates: Mapping[str, Sequence[Certificate]] | None = None
    final: frozenset[str] = field(default_factory=frozenset[str])
    fallbacks: frozenset[str] = field(default_factory=frozenset[str])


def document_of(inv: Invocation, file: str | None) -> Path:
    """The document that a command line names: itself, or policy.yaml in a folder. Raises NotFound."""
    path = Path(file or inv.app)
    if not path.exists():
        raise NotFound(f"There is no {path}.", hint="Name a policy file or an automation's folder.")
    document = path / "policy.yaml" if path.is_dir() else path
    if not document.exists():
        raise NotFound(f"There is no policy.yaml in {path}.", hint="Name a policy file or an automation's folder.")
    return document


def text_of(document: Path) -> str:
    """What a document holds. Raises Refused where it is no UTF-8 text."""
    try:
        return document.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        hint = "Save it as UTF-8."
        raise Refused(f"{document} is no UTF-8 text (byte {error.start}).", code="bad_text", hint=hint) from None


def read_policy(inv: Invocation, file: str | None) -> Policy:
    """The policy that a command line names."""
    return read_named(inv, file).policy


def read_named(inv: Invocation, file: str | None) -> Named:
    """The policy that a command line names, with its automation's certificates where it is an automation's."""
    from interlock.releases import load_folder

    path = Path(file or inv.app)
    beside = path if path.is_dir() else path.parent
    if path.exists() and (beside / "automation.py").exists() and (path.is_dir() or path.name == "policy.yaml"):
        loaded = load_folder(beside)
        return _beside(loaded, loaded.policy)
    document = document_of(inv, file)
    from interlock.policy import load

    text = text_of(document)
    if not _has_schema(text):
        for folder in (document.parent, Path(inv.app)):
            if (folder / "automation.py").exists():
                loaded = load_folder(folder)
                fallbacks = tuple(loaded.definition.fallbacks)
                candidate = load(text, file=str(document), schema=loaded.schema, fallbacks=fallbacks)
                return _beside(loaded, candidate)
    return Named(load(text, file=str(document)))


def _beside(loaded: Loaded, policy: Policy) -> Named:
    actions = loaded.definition.actions
    final = frozenset(name for name, action in actions.items() if action.spec.consequence == "final")
    return Named(policy, loaded.spec.certificates, final, frozenset(loaded.definition.fallbacks))


def _has_schema(text: str) -> bool:
    return any(line.startswith("schema:") for line in text.splitlines())
