"""Where personal data is closed and opened: at the border between a user's types and plain data.

A field that is declared `Sensitive` leaves a codec as one sealed value and comes back through it as what it was. So
everything behind that border (the kernel, the store, the ledger, policies, reviews, exports) only ever has ciphertext,
and everything before it (reducers, advisors, performers) has the value.

Which key is used is not the codec's matter: a `Vault` is opened for one case, around a turn, a call or the validation
of an event, and whatever is dumped or loaded within is sealed and opened by it.

INVARIANT: without an open vault a sensitive field is neither dumped nor opened: a caller that forgot one fails, and
nothing is stored in the clear.
INVARIANT: sealing is a function of key, field and value. The same turn on the same case leaves the same bytes, so
replay, fold and deduplication stay exact.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, cast

from interlock.vocabulary import canonical, sealed
from interlock.vocabulary.ids import CaseId


class Vault(Protocol):
    """One case's key in use."""

    def seal(self, field: str, plain: bytes) -> str:
        """The sealed value of canonical bytes. Raises Erased where the key was destroyed."""
        ...

    def unseal(self, token: str) -> bytes:
        """The canonical bytes that were sealed. Raises Erased, and ValueError for a value that this key never made."""
        ...

    def mentions(self, text: str) -> bool:
        """Whether a text holds something that was sealed or opened here."""
        ...


class Keeper(Protocol):
    """Opens the vaults of cases. One per store."""

    def open(self, case: CaseId, subjects: Sequence[str] = ()) -> AbstractContextManager[None]:
        """What is dumped and loaded within belongs to this case, and to these persons. Makes its key if it has none.

        Raises Erased where the case's key was destroyed.
        """
        ...


class NotSealed(Exception):
    """Personal data was about to leave its type, or to be read, with no vault open. Nothing was stored."""


class _Clear:
    """In the place of a vault where values belong to nobody: a type's own defaults."""


_CLEAR = _Clear()
_vault: ContextVar[Vault | _Clear | None] = ContextVar("interlock_vault", default=None)


@contextmanager
def within(vault: Vault) -> Generator[None]:
    """Seal and open by this vault within, for this task or thread and what it starts."""
    token = _vault.set(vault)
    try:
        yield
    finally:
        _vault.reset(token)


@contextmanager
def nobodys() -> Generator[None]:
    """Dump a type's own defaults, which are part of the release and about nobody, as they are."""
    token = _vault.set(_CLEAR)
    try:
        yield
    finally:
        _vault.reset(token)


def settle_for(vault: Vault) -> None:
    """Seal and open by this vault from now on, in this context: for a bench, where one key serves every case."""
    _vault.set(vault)


def sealer(field: str) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """A serializer around that of a field: what it gives is sealed. None stays None: nothing is said with it."""

    def seal(value: Any, plain_of: Callable[[Any], Any]) -> Any:
        plain = plain_of(value)
        if plain is None:
            return None
        vault = _vault.get()
        if isinstance(vault, _Clear):
            return plain
        return _required(vault, field).seal(field, canonical.encode(plain))

    return seal


def opener(field: str) -> Callable[[Any], Any]:
    """A validator before that of a field: a sealed value is opened, anything else passes to be validated as it is."""

    def unseal(value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith(sealed.PREFIX):
            return value
        return canonical.decode(_required(_present(), field).unseal(value))

    return unseal


def sealed_text(field: str, text: str) -> str:
    """Free text about personal data (a rationale, what an exception says), sealed if a vault is open."""
    vault = _present()
    if vault is None or not text or sealed.is_sealed(text):
        return text
    return vault.seal(field, canonical.encode(text))


def sealed_if_personal(field: str, text: str) -> str:
    """Text of a user's rule, sealed where it repeats a value that was sealed or opened around it."""
    vault = _present()
    return sealed_text(field, text) if vault is not None and vault.mentions(text) else text


def opened_text(text: str) -> str:
    """The text with every sealed value in it opened, for code that is given the values themselves."""
    vault = _present()
    if vault is None:
        return text
    return sealed.replaced(text, lambda token: str(canonical.decode(vault.unseal(token))))


def opened_data(value: Any) -> Any:
    """Plain data with every sealed value in it as what was sealed."""
    vault = _present()
    if vault is None:
        return value
    if sealed.is_sealed(value):
        return canonical.decode(vault.unseal(value))
    if isinstance(value, dict):
        return {name: opened_data(one) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [opened_data(one) for one in cast("list[Any]", value)]
    return value


def _present() -> Vault | None:
    vault = _vault.get()
    return None if isinstance(vault, _Clear) else vault


def _required(vault: Vault | None, field: str) -> Vault:
    if vault is None:
        raise NotSealed(f"{field} is personal data, and no case's vault is open here")
    return vault
