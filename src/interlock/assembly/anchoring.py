"""Anchors on their way out: to a file, a folder or a webhook, on demand and on a worker's schedule.

A key is named, never given: `--key FILE`, or `env:NAME` for a variable that holds its PEM. A file is never written
over, and one in a folder is named by its moment and life, so that a folder collects a history. A webhook gets the
anchor as the JSON body of a POST and answers with a status of 2xx; anything else is tried again, then an error. A
redirect is not followed: a witness goes where it was told to.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.ledger.anchors import Anchor, anchor, signer_of
from interlock.ports import Spawn, Store
from interlock.runtime.worker import Notice
from interlock.vocabulary.errors import InterlockError, NotFound, Refused
from interlock.vocabulary.limits import ANCHOR_TIMEOUT_MS, ANCHOR_TRIES_MAX

PAUSE_FIRST_S = 1.0
"""Before a webhook is tried again; doubled with each try."""

ENVIRONMENT = "env:"


class NotWitnessed(InterlockError):
    """An anchor could not be put where it was to be kept."""

    code = "not_witnessed"


@dataclass(frozen=True)
class Kept:
    """Where an anchor is now, and of how many entries it is a witness."""

    place: str
    entries: int
    signed: bool


def key_text(reference: str, environment: Mapping[str, str]) -> bytes:
    """What a key's reference leads to. Raises NotFound naming the reference, never what it holds."""
    if reference.startswith(ENVIRONMENT):
        name = reference.removeprefix(ENVIRONMENT)
        if name not in environment:
            raise NotFound(f"The variable {name} that is to hold the key is not set.", code="no_key")
        return environment[name].encode()
    try:
        return Path(reference).read_bytes()
    except OSError as error:
        raise NotFound(f"The key {reference} cannot be read: {error.strerror}.", code="no_key") from None


def signer(reference: str, environment: Mapping[str, str]) -> Ed25519PrivateKey | None:
    """The key to sign with; None where none is named."""
    return signer_of(key_text(reference, environment)) if reference else None


def keep(taken: Anchor, to: str, key: Ed25519PrivateKey | None, *, pause: Callable[[float], None] = time.sleep) -> Kept:
    """Put an anchor where it is to be kept: FILE, FOLDER or an http(s) URL.

    Raises NotWitnessed, Refused for a place of no known kind.
    """
    data = taken.to_data(key)
    entries = sum(lsn for lsn, _ in taken.heads.values())
    if "://" in to:
        if urlsplit(to).scheme not in ("http", "https"):
            raise Refused(f"Anchors are not sent to {to!r}.", code="bad_place", hint="Name a file, a folder or a URL.")
        _post(to, data, pause)
        return Kept(to, entries, key is not None)
    path = Path(to)
    if path.is_dir():
        stamp = datetime.fromtimestamp(taken.taken_at / 1_000_000, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = path / f"anchor-{stamp}-{taken.incarnation[:8]}.json"
    _write(path, data)
    return Kept(str(path), entries, key is not None)


def _write(path: Path, data: dict[str, Any]) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise NotWitnessed(
            f"{path} exists.", code="exists", hint="An anchor is never overwritten; name another file, or a folder."
        ) from None
    except OSError as error:
        raise NotWitnessed(f"{path} cannot be written: {error.strerror}.") from error


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib then raises the answer as an error."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _post(url: str, data: dict[str, Any], pause: Callable[[float], None]) -> None:
    opener = urllib.request.build_opener(_Nowhere)
    body = json.dumps(data).encode()
    wait, why = PAUSE_FIRST_S, ""
    for attempt in range(1, ANCHOR_TRIES_MAX + 1):
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
        try:
            with opener.open(request, timeout=ANCHOR_TIMEOUT_MS / 1_000) as answer:
                answer.read(1)
                return
        except urllib.error.HTTPError as error:
            why = f"it answered {error.code}"
            error.close()
        except OSError as error:  # URLError, a timeout and a broken connection are all of this kind.
            why = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt < ANCHOR_TRIES_MAX:
            pause(wait)
            wait *= 2
    raise NotWitnessed(
        f"The anchor could not be sent to {urlsplit(url).netloc}: {why} ({ANCHOR_TRIES_MAX} tries).",
        hint="The next one says all that this one would have.",
    )


async def on_schedule(
    store: Store,
    spawn: Spawn,
    to: str,
    key: Ed25519PrivateKey | None,
    *,
    every_s: float,
    now: Callable[[], int],
    report: Callable[[Notice], None],
) -> None:
    """Keep an anchor now and after every so many seconds, until cancelled. A failure is reported, and the next one
    is due all the same; nothing else of the worker waits for it.
    """
    failed = False
    while True:
        try:
            # The store's thread only reads the heads; the way out takes place beside it.
            taken = await spawn.blocking(lambda: anchor(store, now=now()))
            await asyncio.to_thread(keep, taken, to, key)
        except InterlockError as error:
            failed = True
            report(Notice("not_witnessed", error.message))
        else:
            if failed:
                report(Notice("witnessed", "An anchor has been kept again."))
            failed = False
        await asyncio.sleep(every_s)
