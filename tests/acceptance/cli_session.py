"""Runs `interlock` as a user does: a process of its own, in a folder, with an empty environment."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "interlock.cli")


@dataclass(frozen=True)
class Told:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERLOCK_", "COLUMNS"))}
    return {**kept, **more}


def interlock(folder: Path, *arguments: str, code: int | None = 0, stdin: str = "", **env: str) -> Told:
    """Run a command and expect its exit code (None: any). A traceback is never expected."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=280,  # below the limit of a test: a loaded machine takes ten times as long
        check=False,
    )
    told = Told(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in told.err, told
    assert "\x1b" not in told.out + told.err, told
    if code is not None:
        assert told.code == code, f"interlock {' '.join(arguments)}: {told}"
    return told


def new_automation(folder: Path, name: str = "tickets") -> Path:
    """A folder as `interlock init` makes it."""
    interlock(folder, "init", name)
    return folder / name


def seen(folder: Path, review: str) -> str:
    """What a script passes on as --seen."""
    return interlock(folder, "reviews", review, "--json").data["seen"]
