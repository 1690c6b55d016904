"""What the documents show is what happens: their blocks run, their links lead somewhere."""

from pathlib import Path

import pytest

from tests.docs.markdown import Wrong, anchors, broken_links, matches, read, run_document

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")])


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_blocks_marked_to_run_do_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    run_document(document, tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == []


# --- the reader itself ------------------------------------------------------------------------------------------------

TRUE_STORY = """\
```python file=answer.py
print(6 * 7)
```

```console run
$ mkdir inner && cd inner
$ python ../answer.py
42
$ echo one two \\
    three
one ... three
```

```python run
from pathlib import Path
assert Path.cwd().name == "inner"
```

```console
$ false
```
"""


def written(folder: Path, text: str) -> Path:
    document = folder / "document.md"
    document.write_text(text)
    return document


def test_a_true_document_runs_in_order_in_one_folder(tmp_path: Path) -> None:
    assert run_document(written(tmp_path, TRUE_STORY), tmp_path) == 3


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```console run\n$ echo 1\n2\n```", "the document shows:\n2\n\nit printed:\n1"),
        ("```console run\n$ exit 3\n```", "exit code 3"),
        ("```console run\nno prompt\n```", "begins with a line"),
        ("```python run\nraise ValueError('wrong')\n```", "ValueError: wrong"),
        ("```yaml run\na: 1\n```", "only console and python"),
        ("```python run\nprint(1)\n", "never closed"),
    ],
)
def test_an_untrue_document_is_noticed(tmp_path: Path, block: str, complaint: str) -> None:
    with pytest.raises(Wrong) as wrong:
        run_document(written(tmp_path, f"# Story\n\n{block}"), tmp_path)
    assert complaint in str(wrong.value)


def test_dots_stand_for_any_text_and_nothing_else_does() -> None:
    assert matches("paid ... of 500\n", "paid 431 of 500\n")
    assert not matches("paid ... of 500\n", "paid 431 of 501\n")
    assert not matches("a.b", "axb")


def test_links_are_followed_to_files_and_headings(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other `things`, and more\n## Twice\n## Twice\n")
    document = written(
        tmp_path,
        "[a](other.md#other-things-and-more) [b](other.md#twice-1) [c](https://example.org/x) `[no](link.md)`\n"
        "[d](missing.md) ![e](missing.png)\n"
        "[f](#nowhere) [`g`](other.md#thrice)\n"
        "[ref]: gone.md\n"
        "```\n[in code](absent.md)\n```\n",
    )
    broken = "\n".join(broken_links(document))
    assert [line.split(": ")[1] for line in broken.splitlines()] == [
        "missing.md", "missing.png", "#nowhere", "other.md#thrice", "gone.md"
    ]  # fmt: skip


def test_anchors_of_equal_headings_are_numbered() -> None:
    assert anchors(read("# One\n## One\n## One\n")) == {"one", "one-1", "one-2"}
