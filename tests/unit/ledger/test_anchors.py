"""Anchors: what is signed, and what is refused as a witness."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.ledger.anchors import Anchor, fingerprint, new_key, signer_of, verifier_of
from interlock.vocabulary.errors import Refused

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TAKEN = Anchor("life", {3: (7, b"\x01" * 32), 1: (2, b"\x02" * 32)}, 1_700_000_000_000_000)


def test_a_signed_anchor_is_what_was_signed() -> None:
    data = TAKEN.to_data(KEY)
    read = Anchor.from_data(data, trusted=KEY.public_key())
    assert (read.incarnation, read.heads, read.taken_at) == (TAKEN.incarnation, TAKEN.heads, TAKEN.taken_at)
    assert read.key == fingerprint(KEY.public_key())
    assert data == TAKEN.to_data(KEY), "Ed25519 signs without randomness"


@pytest.mark.parametrize(
    "change",
    [
        {"incarnation": "another"},
        {"taken_at": 5},
        {"heads": {"3": [7, "01" * 32]}},
        {"heads": {"3": [6, "01" * 32], "1": [2, "02" * 32]}},
        {"key": "0" * 16},
        {"format": 1},
        {"extra": 1},
        {"signature": base64.b64encode(b"\0" * 64).decode()},
        {"signature": "no base64"},
        {"signature": None},
    ],
    ids=str,
)
def test_a_change_of_anything_in_it_is_noticed(change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        Anchor.from_data({**TAKEN.to_data(KEY), **change}, trusted=KEY.public_key())
    assert refused.value.code == "bad_signature"


def test_another_key_and_no_signature_are_no_witness_for_a_trusted_key() -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(Refused, match=fingerprint(other.public_key())):
        Anchor.from_data(TAKEN.to_data(other), trusted=KEY.public_key())
    with pytest.raises(Refused, match="not signed"):
        Anchor.from_data(TAKEN.to_data(), trusted=KEY.public_key())
    assert Anchor.from_data(TAKEN.to_data()) == TAKEN


def test_an_anchor_of_the_first_format_is_still_read() -> None:
    old = {"format": 1, "incarnation": "life", "heads": {"3": [7, "01" * 32]}}
    assert Anchor.from_data(old) == Anchor("life", {3: (7, b"\x01" * 32)})


@pytest.mark.parametrize("data", [None, [], {}, {"format": 9}, {"format": 2, "incarnation": "x", "heads": {"a": 1}}])
def test_what_is_no_anchor_is_refused(data: Any) -> None:
    with pytest.raises(Refused, match="no anchor"):
        Anchor.from_data(data)


def test_keys_are_read_from_pem_and_nothing_else() -> None:
    private, public = new_key()
    assert fingerprint(signer_of(private).public_key()) == fingerprint(verifier_of(public))
    assert fingerprint(verifier_of(private)) == fingerprint(verifier_of(public))
    for wrong in (b"", b"a letter", public):
        with pytest.raises(Refused, match="no Ed25519 key"):
            signer_of(wrong)
    for wrong in (b"", b"-----BEGIN PUBLIC KEY-----\nno\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(Refused, match="no Ed25519 key"):
            verifier_of(wrong)
