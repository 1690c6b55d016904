"""The generated pages of docs/reference are what the code says, and the code has nothing that they leave out."""

import re

import pytest

from tests.docs.pages import PAGES, REFERENCE, errors, release_toml, settings


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run: ./dev exec python -m tests.docs.pages"


def test_every_variable_of_the_environment_is_in_the_settings() -> None:
    """Only what a process tells its own child may be missing."""
    named = settings.named_in_the_code()
    assert {"INTERLOCK_DB", "INTERLOCK_PRINCIPAL"} <= named
    assert named - set(settings.documented()) == {"INTERLOCK_RUN_CHILD"}


def test_every_code_that_the_program_can_raise_has_its_words_and_no_other() -> None:
    raised = errors.raised()
    assert raised["conflict"] and raised["bad_setting"]
    assert sorted(errors.WORDS) == sorted(raised)


def test_every_key_that_the_reader_asks_for_has_its_words_and_no_other() -> None:
    read = {place: set(keys) for place, keys in release_toml.read().items()}
    assert read == {place: set(keys) for place, keys in release_toml.KEYS.items()}


def test_the_examples_reach_every_key_that_the_readers_name() -> None:
    known = {key for keys in release_toml.KEYS.values() for key in keys}
    named = release_toml.named_in_the_code()
    assert {"chain", "reserve", "remind", "vouched"} <= named
    assert named <= known


def test_the_index_leads_to_every_document() -> None:
    docs = REFERENCE.parent
    linked = set(re.findall(r"\]\(([^)#]+\.md)", (docs / "README.md").read_text(encoding="utf-8")))
    found = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} - {"README.md"}
    assert sorted(one for one in found - linked if not one.startswith("decisions/")) == [], "name it in docs/README.md"
