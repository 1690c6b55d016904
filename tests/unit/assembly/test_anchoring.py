"""An anchor goes where it was told to, whole, or its failure is told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from interlock.assembly.anchoring import NotWitnessed, keep, key_text, on_schedule
from interlock.ledger.anchors import Anchor, new_key, signer_of
from interlock.runtime.threads import Inline
from interlock.runtime.worker import Notice
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.errors import NotFound, Refused
from interlock.vocabulary.limits import ANCHOR_TRIES_MAX

TAKEN = Anchor("life-1234-5678", {3: (7, b"\x01" * 32)}, 1_700_000_000_000_000)
KEY = signer_of(new_key()[0])


class Witness:
    """A webhook that answers with these statuses, one after the other, then with the last for ever."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[Any] = []
        witness = self
        left = list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                witness.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
                status = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/heads"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Any]:
    made: list[Witness] = []

    def one(*statuses: int) -> Witness:
        made.append(Witness(*statuses))
        return made[-1]

    yield one
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def test_a_file_is_written_once_and_a_folder_collects(tmp_path: Path) -> None:
    kept = keep(TAKEN, str(tmp_path / "heads.json"), KEY)
    assert Anchor.from_data(json.loads(Path(kept.place).read_text()), trusted=KEY.public_key()).heads == TAKEN.heads
    with pytest.raises(NotWitnessed, match="never overwritten"):
        keep(TAKEN, str(tmp_path / "heads.json"), KEY)
    folder = tmp_path / "all"
    folder.mkdir()
    keep(TAKEN, str(folder), None)
    assert [file.name for file in folder.iterdir()] == ["anchor-20231114T221320.000000Z-life-123.json"]
    with pytest.raises(NotWitnessed, match="cannot be written"):
        keep(TAKEN, str(tmp_path / "no" / "such" / "file"), None)


def test_a_webhook_gets_it_although_it_fails_at_first(hook: Any) -> None:
    pauses: list[float] = []
    witness = hook(503, 500, 204)
    keep(TAKEN, witness.url, KEY, pause=pauses.append)
    assert len(witness.got) == 3
    assert pauses == [1.0, 2.0]
    path, kind, data = witness.got[-1]
    assert (path, kind) == ("/heads", "application/json")
    assert Anchor.from_data(data, trusted=KEY.public_key()).heads == TAKEN.heads


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_does_not_take_it_is_told_and_no_redirect_is_followed(hook: Any, status: int) -> None:
    witness = hook(status)
    with pytest.raises(NotWitnessed, match=f"it answered {status}"):
        keep(TAKEN, witness.url, None, pause=lambda seconds: None)
    assert {path for path, _, _ in witness.got} == {"/heads"}
    assert len(witness.got) == ANCHOR_TRIES_MAX


def test_a_webhook_that_is_not_there_and_a_place_of_no_kind() -> None:
    with pytest.raises(NotWitnessed, match=r"127\.0\.0\.1:1"):
        keep(TAKEN, "http://127.0.0.1:1/", None, pause=lambda seconds: None)
    with pytest.raises(Refused, match="gopher"):
        keep(TAKEN, "gopher://old", None)


def test_a_key_is_named_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(b"secret")
    assert key_text(str(tmp_path / "key.pem"), {}) == b"secret"
    assert key_text("env:ANCHOR", {"ANCHOR": "secret"}) == b"secret"
    with pytest.raises(NotFound, match="ANCHOR"):
        key_text("env:ANCHOR", {})
    with pytest.raises(NotFound, match=r"none\.pem"):
        key_text(str(tmp_path / "none.pem"), {})


def test_a_schedule_goes_on_after_a_failure_and_says_both(tmp_path: Path) -> None:
    notices: list[Notice] = []
    moments = iter(range(1, 10_000))
    store = open_sqlite(":memory:", n_slots=2)
    (tmp_path / "made" / "all").mkdir(parents=True)

    async def some_time() -> None:
        told = asyncio.Event()

        def report(notice: Notice) -> None:
            notices.append(notice)
            told.set()

        to = str(tmp_path / "later" / "all")
        schedule = on_schedule(store, Inline(), to, None, every_s=0.01, now=lambda: next(moments), report=report)
        task = asyncio.ensure_future(schedule)
        await told.wait()
        told.clear()
        (tmp_path / "made").rename(tmp_path / "later")
        while notices[-1].what == "not_witnessed":
            await told.wait()
            told.clear()
        task.cancel()

    asyncio.run(asyncio.wait_for(some_time(), 30))
    store.close()
    assert {notice.what for notice in notices[:-1]} == {"not_witnessed"}
    assert notices[-1].what == "witnessed"
    assert list((tmp_path / "later" / "all").iterdir())
