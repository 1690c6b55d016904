"""A line between a client and its server that can be cut at a message, for tests of answers that never came."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict


class Line:
    """Passes bytes on. Armed with some bytes, it cuts the first connection on which the client says them.

    before   the server never hears them; otherwise it answers, and the answer goes nowhere
    """

    def __init__(self, folder: Path, dsn: str) -> None:
        known = conninfo_to_dict(dsn.partition("&schema=")[0].partition("?schema=")[0])
        self._host = str(known.get("host") or "localhost")
        self._port = int(known.get("port") or 5432)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / f".s.PGSQL.{self._port}"))
        self._listener.listen()
        self.folder = folder
        self.armed: bytes = b""
        self.before = False
        self.cuts = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def through(self, dsn: str) -> str:
        """The same database through this line. A Unix socket takes no encryption."""
        base, _, query = dsn.partition("?")
        kept = [part for part in query.split("&") if part and part.partition("=")[0] not in {"host", "port"}]
        return f"{base}?{'&'.join([*kept, f'host={self.folder}', f'port={self._port}'])}"

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.closing(client), contextlib.closing(self._server()) as server, contextlib.suppress(OSError):
            while True:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    if one is client and self.armed and self.armed in data:
                        self.armed, self.cuts = b"", self.cuts + 1
                        if not self.before:
                            server.sendall(data)
                            server.recv(1 << 16)
                        return
                    (server if one is client else client).sendall(data)

    def _server(self) -> socket.socket:
        if self._host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
            return server
        return socket.create_connection((self._host, self._port))


@contextlib.contextmanager
def line_to(dsn: str, folder: Path) -> Iterator[Line]:
    line = Line(folder, dsn)
    try:
        yield line
    finally:
        line.close()
