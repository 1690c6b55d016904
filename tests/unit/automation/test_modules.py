"""Folders whose files share names live in one process; a file that is imported already is not imported again."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest

from interlock.automation.modules import folder_at
from interlock.releases import load_effects, load_folder, load_release
from interlock.vocabulary.errors import DefinitionErrors
from tests.unit.automation.written import write

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def test_examples_share_names_and_do_not_clash() -> None:
    releases = [load_release(EXAMPLES / name) for name in ("cheques", "refunds", "itops")]
    assert [release.name for release in releases] == ["cheques", "refunds", "itops"]
    assert len({release.loaded.definition.modules[0].__name__ for release in releases}) == 3
    for release in releases:
        for name, performer in release.effects.performers.items():
            assert performer.action is release.loaded.definition.actions[name].type
    assert "bank" not in sys.modules


def test_effects_are_imported_only_when_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets", effects="raise RuntimeError('effects ran')\n")
    loaded = load_folder(folder)
    assert loaded.name == "tickets"
    with pytest.raises(DefinitionErrors, match=r"effects\.py:1: .*RuntimeError: effects ran"):
        load_effects(loaded)


def test_a_module_imported_in_the_ordinary_way_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "tickets")
    monkeypatch.syspath_prepend(folder)
    module = types.ModuleType("automation")
    module.__file__ = str(folder / "automation.py")
    monkeypatch.setitem(sys.modules, "automation", module)
    exec(compile((folder / "automation.py").read_text(), module.__file__, "exec"), vars(module))
    loaded = load_folder(folder)
    assert loaded.definition.case is vars(module)["Ticket"]
    assert load_effects(loaded).performers["pay"].action is vars(module)["Pay"]
    with_app = load_folder(folder, app=vars(module)["app"])
    assert with_app.definition.app is vars(module)["app"]


def test_two_automations_imported_from_packages_are_the_very_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that holds several cannot import two modules called `automation`; it imports `one.automation`."""
    monkeypatch.syspath_prepend(tmp_path)
    alone = load_release(write(tmp_path / "desk_alone")).id
    for name in ("desk_one", "desk_two"):
        folder = write(tmp_path / name)
        module = importlib.import_module(f"{name}.automation")
        monkeypatch.setitem(sys.modules, f"{name}.automation", module)
        release = load_release(folder, app=module.app)
        assert release.loaded.definition.case is module.Ticket
        assert release.effects.performers["pay"].action is module.Pay
        assert release.id == alone, "a release does not depend on how its code was imported"


def test_a_foreign_app_is_refused(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    app = load_folder(one).definition.app
    with pytest.raises(DefinitionErrors, match="is not the one in"):
        load_folder(two, app=app)


def test_a_file_in_the_folder_names_the_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "tickets")
    assert load_folder(folder / "effects.py").folder == folder.resolve()


def test_siblings_packages_and_late_imports(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "tickets",
        effects=(
            "from automation import Pay\nfrom books.ledger import post\nimport books\n\n\n@Pay.performer\n"
            "def pay(args: Pay, key: str) -> None:\n    import late\n    post(late.WORD, books.NAME)\n"
        ),
        late="WORD = 'late'\n",
    )
    (folder / "books").mkdir()
    (folder / "books" / "__init__.py").write_text("NAME = 'books'\n")
    (folder / "books" / "ledger.py").write_text("POSTED = []\n\n\ndef post(*words):\n    POSTED.append(words)\n")
    release = load_release(folder)
    pay = release.effects.performers["pay"]
    pay.run(release.loaded.wire.action("pay", {"amount": "1"}), "k")
    assert sys.modules[folder_at(folder)._unique("books") + ".ledger"].POSTED == [("late", "books")]
    assert "late" not in sys.modules
    assert "books" not in sys.modules
    assert not list(folder.rglob("*.pyc"))


def test_importing_interlock_is_cheap() -> None:
    import subprocess

    costly = "{'pydantic', 'sqlite3', 'asyncio'}"
    code = f"import sys, interlock; print(sorted({{m.partition('.')[0] for m in sys.modules}} & {costly}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    import interlock

    for name in interlock.__all__:
        if name not in ("BlockingInterlock", "Interlock"):
            assert getattr(interlock, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Acton'"):
        _ = getattr(interlock, "Acton")  # noqa: B009
