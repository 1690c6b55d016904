"""A worker on any store, as a process of its own. `python -m tests.acceptance.cells_worker URL FOLDER`.

One that a store's error has ended begins again, as under a service manager: a worker ends where it cannot find out
what became of a commit, since its server was gone for long.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from interlock.assembly import run_worker
from interlock.runtime.worker import Notice
from interlock.settings import Settings
from interlock.vocabulary.errors import StoreError


def said(notice: Notice) -> None:
    print(notice.what, notice.text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    url, folder = sys.argv[1], Path(sys.argv[2])
    settings = Settings(lease_ttl_ms=int(os.environ.get("CELLS_LEASE_MS", "10000")))
    while True:
        try:
            run_worker(url, [folder], settings=settings, supervisor=os.getppid(), on_notice=said)
        except StoreError as error:
            print("begins again:", error, file=sys.stderr, flush=True)
            time.sleep(0.5)
        else:
            break
