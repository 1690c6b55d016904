"""Read the parts of a Markdown document that can be wrong: its blocks that claim to run, its headings, its links.

What a fenced block claims stands after its language:

    ```console run        each line `$ command` is run by bash; below it stands its output, `...` being any text
    ```python run         the block is run as a program
    ```yaml file=p.yaml   the block is written to that file (any language)

The blocks of one document run in order in one empty folder, so that a document tells one story from top to bottom.
A command fails the test by its exit code too; a document that shows a failure says so: `$ interlock check || true`.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BLOCK_SECONDS_MAX = 280

FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>```+|~~~+) *(?P<language>[\w+-]*) *(?P<claims>[^`\n]*)$")
HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *#*$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*<?(?P<target>[^\s>]+)>?")


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    claims: str
    text: str

    @property
    def runs(self) -> bool:
        return "run" in self.claims.split()

    @property
    def file(self) -> str | None:
        named = [claim.removeprefix("file=") for claim in self.claims.split() if claim.startswith("file=")]
        return named[0] if named else None


@dataclass(frozen=True)
class Document:
    blocks: tuple[Block, ...]
    prose: tuple[tuple[int, str], ...]


class Wrong(AssertionError):
    """A document says something that is not so."""


def read(text: str) -> Document:
    blocks: list[Block] = []
    prose: list[tuple[int, str]] = []
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            prose.append((number, line))
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip() and set(inner.strip()) == {opening["fence"][0]} and inner.strip() >= opening["fence"]:
                break
            body.append(inner.removeprefix(opening["indent"]))
        else:
            raise Wrong(f"line {number}: a block is opened and never closed")
        blocks.append(Block(number, opening["language"], opening["claims"].strip(), "\n".join(body) + "\n"))
    return Document(tuple(blocks), tuple(prose))


# --- links ------------------------------------------------------------------------------------------------------------


def links(document: Document) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for number, line in document.prose:
        without_code = re.sub(r"(`+).+?\1", "", line)
        found += [(number, link["target"]) for link in LINK.finditer(without_code)]
        if reference := REFERENCE.match(without_code):
            found.append((number, reference["target"]))
    return found


def anchors(document: Document) -> set[str]:
    """The anchors of a document's headings as the usual Markdown hosts derive them."""
    found: set[str] = set()
    for _, line in document.prose:
        if heading := HEADING.match(line):
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["title"])
            anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            candidates = [anchor, *(f"{anchor}-{n}" for n in range(1, 100))]
            found.add(next(candidate for candidate in candidates if candidate not in found))
        found |= set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
    return found


def broken_links(path: Path) -> list[str]:
    broken: list[str] = []
    for number, target in links(read(path.read_text())):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists():
            broken.append(f"{path.name}:{number}: {target}: there is no such file")
        elif anchor and file.suffix == ".md" and anchor not in anchors(read(file.read_text())):
            broken.append(f"{path.name}:{number}: {target}: there is no such heading")
    return broken


# --- running ----------------------------------------------------------------------------------------------------------


def run_document(path: Path, folder: Path) -> int:
    """Run what the document says runs, in `folder`. Returns the number of blocks run or written; raises Wrong."""
    done = 0
    here = folder
    for block in read(path.read_text()).blocks:
        where = f"{path.name}:{block.line}"
        if block.file is not None:
            target = folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif block.runs and block.language == "console":
            here = run_console(block, here, where)
        elif block.runs and block.language == "python":
            expect_success(execute([sys.executable, "-c", block.text], here, where), where)
        elif block.runs:
            raise Wrong(f"{where}: only console and python blocks can run, not {block.language or 'a plain block'}")
        else:
            continue
        done += 1
    return done


def run_console(block: Block, folder: Path, where: str) -> Path:
    """Run the commands of a session one after the other, following its `cd`, and compare what they print."""
    state = folder / ".shell-folder"
    for command, expected in session(block.text, where):
        script = (
            f"cd {shlex.quote(str(folder))} && {{ {command}\n}}; code=$?; pwd > {shlex.quote(str(state))}; exit $code"
        )
        finished = execute(["bash", "-c", script], folder, f"{where}: $ {command}")
        expect_success(finished, f"{where}: $ {command}")
        if expected and not matches(expected, finished.stdout):
            raise Wrong(f"{where}: $ {command}\nthe document shows:\n{expected}\nit printed:\n{finished.stdout}")
        folder = Path(state.read_text().strip())
        state.unlink()
    return folder


def session(text: str, where: str) -> list[tuple[str, str]]:
    commands: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], ""))
        elif not commands:
            raise Wrong(f"{where}: a console block begins with a line `$ command`")
        elif commands[-1][0].endswith("\\") and not commands[-1][1]:
            commands[-1] = (f"{commands[-1][0]}\n{line}", "")
        else:
            commands[-1] = (commands[-1][0], f"{commands[-1][1]}{line}\n")
    return commands


def matches(expected: str, printed: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in tidy(expected).split("..."))
    return re.fullmatch(pattern, tidy(printed), re.DOTALL) is not None


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def execute(command: list[str], folder: Path, where: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, NO_COLOR="1", COLUMNS="120", TERM="dumb")
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BLOCK_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise Wrong(f"{where}: took longer than {BLOCK_SECONDS_MAX} s") from expired


def expect_success(finished: subprocess.CompletedProcess[str], where: str) -> None:
    if finished.returncode != 0:
        raise Wrong(f"{where}: exit code {finished.returncode}\n{finished.stdout}")
