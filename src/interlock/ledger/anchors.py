"""A witness of the ledger: the heads of all slots at one moment, signed, to be kept outside the store.

The chain shows that no entry was changed or left out before a head. That the whole store was put back to an earlier
state, head included, only a copy of a head kept elsewhere can show: `verify` compares against one.

A signature (Ed25519, RFC 8032) says that the holder of a key took the anchor, so it may be kept where others can write.
The key does not belong on the machine of those whom the anchor is a witness against; where it must (a worker that
anchors by itself), what is kept elsewhere must be kept from change and removal as well.

INVARIANT: what is signed is the canonical bytes of everything in the anchor but the signature.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from interlock.ports import Store
from interlock.vocabulary import canonical
from interlock.vocabulary.errors import Refused

FORMAT = 2
FORMATS = (1, FORMAT)
"""1: without a time, never signed."""

FINGERPRINT_CHARS = 16


@dataclass(frozen=True)
class Anchor:
    """Per slot that has entries: lsn and head. `incarnation`: the life of the store that it is of.

    taken_at   microseconds; 0 where the file does not say
    key        fingerprint of the key that it says it is signed with; "" for an unsigned one
    """

    incarnation: str
    heads: Mapping[int, tuple[int, bytes]]
    taken_at: int = 0
    key: str = ""

    def to_data(self, signer: Ed25519PrivateKey | None = None) -> dict[str, Any]:
        """As it is kept, signed if there is a key."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "incarnation": self.incarnation,
            "taken_at": self.taken_at,
            "heads": {str(slot): [lsn, head.hex()] for slot, (lsn, head) in sorted(self.heads.items())},
        }
        if signer is not None:
            data["key"] = fingerprint(signer.public_key())
            data["signature"] = base64.b64encode(signer.sign(canonical.encode(data))).decode("ascii")
        return data

    @classmethod
    def from_data(cls, data: Any, *, trusted: Ed25519PublicKey | None = None) -> Anchor:
        """The inverse of `to_data`. With `trusted`, only what that key has signed is an anchor. Raises Refused."""
        try:
            if data["format"] not in FORMATS:
                raise ValueError(f"format {data['format']}; this program reads {FORMAT}")
            heads = {int(slot): (int(lsn), bytes.fromhex(head)) for slot, (lsn, head) in data["heads"].items()}
            found = cls(str(data["incarnation"]), heads, int(data.get("taken_at", 0)), str(data.get("key", "")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refused(
                f"This is no anchor: {error}.", code="bad_anchor", hint="Take the file as it was written."
            ) from error
        if trusted is not None:
            _check(cast("dict[str, Any]", data), trusted)
        return found


def _check(data: dict[str, Any], trusted: Ed25519PublicKey) -> None:
    signature = data.get("signature")
    if not isinstance(signature, str):
        raise Refused(
            "The anchor is not signed.", code="bad_signature", hint="Leave out --key if you trust where it was kept."
        )
    signed = {name: value for name, value in data.items() if name != "signature"}
    try:
        trusted.verify(base64.b64decode(signature, validate=True), canonical.encode(signed))
    except (InvalidSignature, ValueError) as error:
        whose = data.get("key")
        other = f" It says it was signed with {whose}." if whose != fingerprint(trusted) else ""
        raise Refused(
            f"The anchor was not signed with the key {fingerprint(trusted)}, or was changed since.{other}",
            code="bad_signature",
            hint="Compare with another copy of it, and with the key that signs.",
        ) from error


def anchor(store: Store, *, now: int = 0) -> Anchor:
    """The heads of this moment (`now`: microseconds)."""
    heads = {slot: head for slot, head in store.heads().items() if head[0]}
    return Anchor(store.caps.incarnation, heads, now)


# --- keys -------------------------------------------------------------------------------------------------------------


def fingerprint(key: Ed25519PublicKey) -> str:
    """Names a key to people: the first hex digits of the sha256 over its 32 bytes."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:FINGERPRINT_CHARS]


def new_key() -> tuple[bytes, bytes]:
    """A key to sign with, and the one to verify with: PEM (PKCS 8 without a password, SubjectPublicKeyInfo)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def signer_of(pem: bytes) -> Ed25519PrivateKey:
    """The key in a PEM text. Raises Refused."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key("sign with", error) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key("sign with", "it is of another kind")
    return key


def verifier_of(pem: bytes) -> Ed25519PublicKey:
    """The public key in a PEM text, or that of a private one. Raises Refused."""
    if b"PRIVATE KEY" in pem:
        return signer_of(pem).public_key()
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key("verify with", error) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key("verify with", "it is of another kind")
    return key


def _no_key(what: str, why: object) -> Refused:
    return Refused(
        f"This is no Ed25519 key in PEM to {what}: {why}.",
        code="bad_key",
        hint="`interlock anchor --new-key FILE` makes one.",
    )
