"""The wheel, installed by somebody who has nothing else: no extras, no development tools, not this folder."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = Path(sysconfig.get_paths()["purelib"])
NOT_REQUIRED = (
    "numpy",
    "sklearn",
    "scipy",
    "joblib",
    "hypothesis",
    "_hypothesis_pytestplugin",
    "xdist",
    "psutil",
    "uv",
    "ruff",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release is built, by the locked build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return next(folder.glob("interlock-*.whl"))


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it requires. The required distributions are those of this
    environment, linked one by one, so that nothing is fetched and nothing undeclared is there.
    """
    folder = tmp_path_factory.mktemp("stranger")
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = """
import importlib.metadata as m, re, sys
from packaging.requirements import Requirement
todo, seen = [Requirement(line) for line in m.requires("interlock")] + [Requirement("pytest")], {}
while todo:
    one = todo.pop()
    name = re.sub("[-_.]+", "-", one.name).lower()
    if name in seen or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
        continue
    found = m.distribution(name)
    seen[name] = found
    todo += [Requirement(line) for line in found.requires or ()]
for found in seen.values():
    for file in found.files or ():
        print(file.parts[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for top in sorted(set(done.stdout.split())):
        if top not in ("..", "__pycache__") and (SITE / top).exists() and not (site / top).exists():
            (site / top).symlink_to(SITE / top)
    for name in NOT_REQUIRED:
        assert not (site / name).exists(), f"{name} is no requirement of interlock"
    launcher = folder / "bin" / "interlock"
    launcher.write_text(f"#!{folder}/bin/python\nimport sys\nfrom interlock.cli import main\nsys.exit(main())\n")
    launcher.chmod(0o755)
    return folder


def run(stranger: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "INTERLOCK_", "VIRTUAL"))
    }
    env = {**kept, "PATH": f"{stranger / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    program = str(stranger / "bin" / command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=280
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_wheel_holds_what_is_read_at_run_time_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in (
        "interlock/py.typed",
        "interlock/store/sql/schema.sql",
        "interlock/store/sql/queries.sql",
        "interlock/cli/template/automation.py.txt",
        "interlock/demo/cheques/policy.yaml",
        "interlock/demo/cheques/release.toml",
    ):
        assert needed in names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"interlock", next(top for top in tops if top.endswith(".dist-info"))}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".db")]


def test_the_first_steps_work_without_extras(stranger: Path, tmp_path: Path) -> None:
    assert run(stranger, tmp_path, "python", "-c", "import interlock; print(interlock.__file__)").stdout.startswith(
        str(stranger)
    )
    made = run(stranger, tmp_path, "interlock", "init", "x")
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "x"
    for command in (
        ("interlock", "check"),
        ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "."),
        ("interlock", "policy", "test"),
        ("interlock", "submit", "--file", "events.jsonl"),
        ("interlock", "run", "--until-idle"),
        ("interlock", "explain", "t1"),
        ("interlock", "verify"),
    ):
        done = run(stranger, folder, *command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_the_demonstration_says_what_it_lacks(stranger: Path, tmp_path: Path) -> None:
    done = run(stranger, tmp_path, "interlock", "demo")
    assert done.returncode in {1, 4}, done.stderr
    assert "scikit-learn" in done.stderr
    assert "interlock[demo]" in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing half-made is left"
