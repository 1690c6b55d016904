"""A worker on any store, as a process of its own. `python -m tests.acceptance.cells_worker URL FOLDER`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from interlock.assembly import run_worker
from interlock.runtime.worker import Notice
from interlock.settings import Settings


def said(notice: Notice) -> None:
    print(notice.what, notice.text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    url, folder = sys.argv[1], Path(sys.argv[2])
    settings = Settings(lease_ttl_ms=int(os.environ.get("CELLS_LEASE_MS", "10000")))
    run_worker(url, [folder], settings=settings, supervisor=os.getppid(), on_notice=said)
