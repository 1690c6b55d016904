"""Vaults over a store's keys: AES-SIV, one random key per case.

AES-SIV (RFC 5297) is deterministic and needs no nonce: the same value of the same field of one case is sealed to the
same bytes, which is what lets replay, fold and deduplication compare sealed values, and nothing else can be learned of
a value than that it is the same again. The seal, the case and the field are authenticated with it, so a sealed value
that was moved to another place does not open.

Keys are random and made outside the kernel: at the door with a case's first message, or before the turn that is the
first to need one, in whose transaction the key then is. A key is read from the store each time a vault is opened and
kept no longer, so a key that was destroyed is gone from every process with its next turn or call.

INVARIANT: a value is sealed only under a key that is durable before, or with, what holds the value.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from interlock.automation.sealing import within
from interlock.ports import Store
from interlock.vocabulary import canonical, sealed
from interlock.vocabulary.errors import Erased
from interlock.vocabulary.ids import CaseId, slot_of
from interlock.vocabulary.sealed import Seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

SECRET_BYTES = 64
"""AES-256-SIV: one key of 256 bits to authenticate, one to encrypt."""

ID_BYTES = 8

BLOCK_BYTES = 16
"""Values are filled up with spaces, which JSON ignores, to a multiple of this: a length says little."""

MENTION_CHARS_MIN = 3
"""A shorter value stands in too many texts by chance."""

ERASED = "The personal data of case {} was erased; nobody can read it."


class CaseVault:
    """`automation.sealing.Vault` over the keys of one case. `made`: a key that is not stored yet."""

    def __init__(self, case: CaseId, seals: Sequence[Seal], made: Seal | None = None) -> None:
        self.case = case
        self.made = made
        self._seals = {seal.id: seal for seal in (*seals, *([made] if made else ()))}
        self._live = next((seal for seal in self._seals.values() if seal.secret), None)
        self._ciphers: dict[str, AESSIV] = {}
        self._said: set[str] = set()

    def seal(self, field: str, plain: bytes) -> str:
        live = self._live
        if live is None:
            raise Erased(ERASED.format(self.case))
        self._heard(canonical.decode(plain))
        filled = plain + b" " * (-len(plain) % BLOCK_BYTES)
        body = self._cipher(live).encrypt(filled, _bound(live, field))
        return sealed.token(live.id, field, base64.urlsafe_b64encode(body).decode().rstrip("="))

    def unseal(self, token: str) -> bytes:
        found = sealed.TOKEN.fullmatch(token)
        seal = self._seals.get(found["seal"]) if found else None
        if found is None or seal is None:
            raise ValueError("sealed data of another case, or no sealed data at all")
        if not seal.secret:
            raise Erased(ERASED.format(self.case))
        plain = opened(self._cipher(seal), seal, found["field"], found["body"])
        self._heard(canonical.decode(plain))
        return plain

    def mentions(self, text: str) -> bool:
        folded = text.casefold()
        return any(said in folded for said in self._said)

    def _heard(self, value: Any) -> None:
        if isinstance(value, str):
            if len(value) >= MENTION_CHARS_MIN:
                self._said.add(value.casefold())
        elif isinstance(value, dict):
            for one in cast("dict[str, Any]", value).values():
                self._heard(one)
        elif isinstance(value, list):
            for one in cast("list[Any]", value):
                self._heard(one)

    def _cipher(self, seal: Seal) -> AESSIV:
        cipher = self._ciphers.get(seal.id)
        if cipher is None:
            cipher = self._ciphers[seal.id] = cipher_of(seal)
        return cipher


def cipher_of(seal: Seal) -> AESSIV:
    # Loading the library takes longer than most commands run; only who has personal data pays for it.
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(seal.secret)


def opened(cipher: AESSIV, seal: Seal, field: str, body: str) -> bytes:
    """The bytes under a sealed value. Raises ValueError for one that this key did not make for this field."""
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), _bound(seal, field))
    except (InvalidTag, ValueError):
        raise ValueError("sealed data that was changed, or moved from another field") from None


def _bound(seal: Seal, field: str) -> list[bytes]:
    """What is authenticated beside the value: where it belongs."""
    return [seal.id.encode(), seal.case.automation.encode(), seal.case.key.encode(), field.encode()]


class StoreKeeper:
    """`automation.sealing.Keeper` over a store.

    now      microseconds, for the record of when a key was made
    random   that many bytes that nobody can foretell
    """

    def __init__(self, store: Store, *, now: Callable[[], int], random: Callable[[int], bytes] = os.urandom) -> None:
        self._store = store
        self._now = now
        self._random = random

    @contextmanager
    def open(self, case: CaseId, subjects: Sequence[str] = ()) -> Generator[None]:
        """Outside of units: what is dumped and loaded within belongs to this case, and to these persons."""
        seals = self._store.seals(case)
        if subjects or not seals:
            if seals and all(seal.erased_at for seal in seals):
                raise _closed(case)
            kept = self._store.put_seal(self._make(case), subjects)
            seals = [*seals, kept] if kept not in seals else seals
        elif all(seal.erased_at for seal in seals):
            raise _closed(case)
        with within(CaseVault(case, seals)):
            yield

    def vault(self, case: CaseId, made: Seal | None = None) -> CaseVault:
        """For a turn. `made` in its unit before, or here: a key that must be committed with the turn."""
        seals = self._store.seals(case)
        return CaseVault(case, seals, None if seals else made or self._make(case))

    def _make(self, case: CaseId) -> Seal:
        slot = slot_of(case, self._store.caps.n_slots)
        return Seal(sealed.seal_id(slot, self._random(ID_BYTES)), case, self._random(SECRET_BYTES), self._now())


def _closed(case: CaseId) -> Erased:
    return Erased(
        ERASED.format(case), hint="The case takes nothing more. What concerns the person now belongs into a new case."
    )


# --- what people are shown --------------------------------------------------------------------------------------------

SEALED = "(sealed)"
GONE = "(erased)"
DAMAGED = "(sealed; it does not open)"


class Showing:
    """Sealed values in a text, as people are to see them: as words that say so, or opened.

    One per output; it remembers what it has looked up.
    """

    def __init__(self, store: Store, *, unsealed: bool) -> None:
        self._store = store
        self._unsealed = unsealed
        self._seals: dict[str, Seal | None] = {}
        self._ciphers: dict[str, AESSIV] = {}

    def __call__(self, token: str) -> str:
        """What stands in the place of one sealed value."""
        found = sealed.TOKEN.fullmatch(token)
        seal = self._seal(found["seal"]) if found else None
        if found is None or seal is None:
            return DAMAGED
        if not seal.secret:
            return GONE
        if not self._unsealed:
            return SEALED
        cipher = self._ciphers.get(seal.id)
        if cipher is None:
            cipher = self._ciphers[seal.id] = cipher_of(seal)
        try:
            value = canonical.decode(opened(cipher, seal, found["field"], found["body"]))
        except ValueError:
            return DAMAGED
        return value if isinstance(value, str) else canonical.encode(value).decode()

    def _seal(self, id_: str) -> Seal | None:
        if id_ not in self._seals:
            self._seals[id_] = self._store.seal(id_)
        return self._seals[id_]


def shown(store: Store, text: str, *, unsealed: bool = False) -> str:
    """A text for people: sealed values read "(sealed)" or "(erased)", or, `unsealed`, are opened where they can be."""
    return sealed.replaced(text, Showing(store, unsealed=unsealed))
