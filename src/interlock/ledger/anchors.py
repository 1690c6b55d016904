"""A witness of the ledger: the heads of all slots at one moment, to be kept outside the store.

The chain shows that no entry was changed or left out before a head. That the whole store was put back to an earlier
state, head included, only a copy of a head kept elsewhere can show: `verify` compares against one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.ports import Store
from interlock.vocabulary.errors import Refused

FORMAT = 1


@dataclass(frozen=True)
class Anchor:
    """Per slot that has entries: lsn and head. `incarnation`: the store that it is of."""

    incarnation: str
    heads: Mapping[int, tuple[int, bytes]]

    def to_data(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "incarnation": self.incarnation,
            "heads": {str(slot): [lsn, head.hex()] for slot, (lsn, head) in sorted(self.heads.items())},
        }

    @classmethod
    def from_data(cls, data: Any) -> Anchor:
        """The inverse of `to_data`. Raises Refused."""
        try:
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']}; this program reads {FORMAT}")
            heads = {int(slot): (int(lsn), bytes.fromhex(head)) for slot, (lsn, head) in data["heads"].items()}
            return cls(str(data["incarnation"]), heads)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refused(
                f"This is no anchor: {error}.", code="bad_anchor", hint="Take the file as it was written."
            ) from error


def anchor(store: Store) -> Anchor:
    """The heads of this moment."""
    return Anchor(store.caps.incarnation, {slot: head for slot, head in store.heads().items() if head[0]})
