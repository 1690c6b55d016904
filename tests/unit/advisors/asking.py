"""The tickets automation with advisors as a test wants them, asked as the dispatcher asks."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interlock.assembly.hosting import disconnect, hosted
from interlock.ports import Store
from interlock.releases import Release, load_release
from interlock.runtime.hosted import Hosted
from interlock.store.sqlite import open_sqlite
from interlock.vocabulary.action import Command
from interlock.vocabulary.advice import Answer

TICKETS = Path(__file__).with_name("tickets")
FIELDS = {"message": "It broke.", "order": {"id": "o1", "total": "40.00"}, "photo": None}
REFUND = {"action": "refund", "amount": "5.00", "reason": "late"}

_releases: dict[tuple[str, bool], Release] = {}


def write_release(folder: Path, text: str, *, personal: bool = False) -> Path:
    """The folder with this release.toml; Read is answered by code. `personal`: what is written in words is sealed."""
    triage = '["model"]'
    shutil.copytree(TICKETS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    questions = f'[questions.Triage]\nchain = {triage}\n[questions.Read]\nchain = ["fixed"]\n'
    if personal:
        code = (folder / "automation.py").read_text()
        for field in ("message", "text"):
            code = code.replace(f"    {field}: str", f"    {field}: Sensitive[str]")
        (folder / "automation.py").write_text(code.replace("    Requests,\n", "    Requests,\n    Sensitive,\n"))
    (folder / "release.toml").write_text(questions + text)
    return folder


def release_of(text: str, *, personal: bool = False) -> Release:
    """Loaded once per text."""
    if (text, personal) not in _releases:
        with tempfile.TemporaryDirectory() as folder:
            _releases[text, personal] = load_release(write_release(Path(folder), text, personal=personal))
    return _releases[text, personal]


def chat(url: str, *lines: str, name: str = "model", prompt: str = "triage") -> str:
    """An [advisors.NAME] table of a chat advisor at this address."""
    rows = [
        f"[advisors.{name}]",
        'kind = "chat"',
        f'base_url = "{url}"',
        'model = "small"',
        f'prompt = "prompts/{prompt}.md"',
    ]
    return "\n".join([*rows, *lines]) + "\n"


def command(advisor: str = "model", *, timeout_s: float = 60.0, **fields: Any) -> Command:
    return Command(
        "tickets/t1/1.0", "tickets", "t1", "ask", f"advisor:{advisor}", 0, timeout=int(timeout_s * 1_000_000),
        question="Triage", digest="d", advisor=advisor, data={**FIELDS, **fields},
    )  # fmt: skip


def with_host(text: str, work: Callable[[Hosted, Store], Any], *, personal: bool = False) -> Any:
    """The result of an async function that is given the hosted release, on a loop of its own."""

    async def go() -> Any:
        store = open_sqlite(":memory:", n_slots=4)
        host = hosted(release_of(text, personal=personal), store)
        try:
            return await work(host, store)
        finally:
            await disconnect([host])
            store.close()

    return asyncio.run(go())


def ask(text: str, *, timeout_s: float = 60.0, **fields: Any) -> Answer:
    """What the advisor `model` of this release answers."""

    async def work(host: Hosted, store: Store) -> Answer:
        return await host.advisors.answer(command(timeout_s=timeout_s, **fields))

    return with_host(text, work)
