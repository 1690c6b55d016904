"""A peer's process, as the driver sees it: started, told, listened to, killed."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from benchmarks.peers.environments import ROOT, python_for
from benchmarks.peers.roster import Entrant

PATIENCE_S = 120.0
"""How long a peer may be silent before something is wrong with it, on a busy machine."""


class Failed(Exception):
    """A peer's process ended or fell silent where it should have answered; says what it wrote."""


class Driven:
    """One process. `with started(...)`: it is gone when the block ends."""

    def __init__(
        self, entrant: Entrant, database: str, books: Path, *, first: int, environment: Mapping[str, str]
    ) -> None:
        self._entrant = entrant
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [python_for(entrant.environment), "-m", f"benchmarks.peers.adapters.on_{entrant.adapter}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        self._rest = b""
        self._lines: list[dict[str, Any]] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self.tell(database=database, books=str(books), first=first)

    def ready(self) -> Self:
        """Wait until it has opened its database."""
        self.answer("ready")
        return self

    def tell(self, **order: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self.epitaph("is gone")) from None

    def ask(self, order: str, expecting: str, **more: Any) -> dict[str, Any]:
        self.tell(do=order, **more)
        return self.answer(expecting)

    def answer(self, expecting: str = "") -> dict[str, Any]:
        """The next line, which must say `expecting`. Raises Failed when it ends or is silent for too long."""
        line = self.hear(PATIENCE_S)
        if line is None or (expecting and expecting not in line):
            raise Failed(self.epitaph(f"did not say {expecting or 'anything'!r}"))
        return line

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """The next line; None if none comes in this time, or it has ended."""
        until = time.monotonic() + seconds
        while not self._lines:
            left = until - time.monotonic()
            if left <= 0 or not self._selector.select(left):
                return None
            read = os.read(self._out.fileno(), 1 << 16)
            if not read:
                return None
            *lines, self._rest = (self._rest + read).split(b"\n")
            self._lines += [json.loads(line) for line in lines]
        return self._lines.pop(0)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Let it close its database and end."""
        self.ask("stop", "stopped")
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed(self.epitaph("did not end")) from None

    def kill(self) -> list[dict[str, Any]]:
        """SIGKILL, and everything that it had said before."""
        self._process.kill()
        self._process.wait()
        said: list[dict[str, Any]] = []
        while (line := self.hear(PATIENCE_S)) is not None:
            said.append(line)
        return said

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._said.close()

    def epitaph(self, what: str) -> str:
        """What became of it, and the last that it wrote."""
        self._said.seek(0)
        said = self._said.read()[-3_000:].decode(errors="replace").strip()
        code = self._process.poll()
        return f"{self._entrant.name} {what} ({'running' if code is None else f'exit {code}'}). It wrote:\n{said}"


@contextmanager
def started(
    entrant: Entrant, database: str, books: Path, *, first: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[Driven]:
    driven = Driven(entrant, database, books, first=first, environment=environment or {})
    try:
        yield driven.ready()
    finally:
        driven.close()
