"""A virtual environment for each peer, made when it is first asked for and again when its requirements change.

They lie in `.venv-peers` beside `.venv`, outside of what git sees. A peer's packages never meet interlock's own.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".venv-peers"
REQUIREMENTS = Path(__file__).parent / "requirements"


class NotInstalled(Exception):
    """A peer's environment could not be made; says why."""


def python_for(environment: str) -> Path:
    """The interpreter of a peer's environment; "" is interlock's own. Raises NotInstalled."""
    if not environment:
        return Path(sys.executable)
    folder, requirements = PLACE / environment, REQUIREMENTS / f"{environment}.txt"
    python, stamp = folder / "bin" / "python", folder / "stamp"
    wanted = hashlib.sha256(f"{sys.version}\n{folder}\n{requirements.read_text()}".encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing {environment} into {folder.relative_to(ROOT)}", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", "--clear", folder])
    # pip, because it looks where this machine is told to look for packages; uv is faster, where that is enough.
    uv = [Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--python", python]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        _run([*uv, "-r", requirements])
    except NotInstalled:
        _run([*pip, "-r", requirements])
    stamp.write_text(wanted)
    return python


def versions(environment: str, packages: tuple[str, ...]) -> dict[str, str]:
    """What the requirements pin these packages to."""
    text = (REQUIREMENTS / f"{environment}.txt").read_text()
    pinned = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", text, re.MULTILINE))
    return {name: pinned[name] for name in packages}


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"{' '.join(map(str, command[:4]))} ... failed:\n{(done.stdout + done.stderr)[-2000:]}")
