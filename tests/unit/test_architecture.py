"""The architecture is what the import contracts in pyproject.toml say, and the contracts notice when it is broken.

Each contract is a test of its own. A contract that can no longer fail (a renamed module, a layer left out) would pass
for ever, so the same contracts are also checked against an import graph of the same shape with one forbidden import
planted in it at a time.
"""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.application.use_cases import read_user_options
from importlinter.configuration import configure
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

configure()

ROOT = Path(__file__).parents[2]
OPTIONS = read_user_options(str(ROOT / "pyproject.toml"))
CONTRACTS: dict[str, dict[str, Any]] = {options["id"]: options for options in OPTIONS.contracts_options}
TYPES = {
    contract.type_name: contract
    for contract in (AcyclicSiblingsContract, ForbiddenContract, LayersContract, ProtectedContract)
}


def is_kept(contract_id: str, graph: grimp.ImportGraph) -> bool:
    options = CONTRACTS[contract_id]
    contract = TYPES[options["type"]](options["name"], OPTIONS.session_options, options)
    return contract.check(graph, verbose=False).kept


def imports_of(graph: grimp.ImportGraph, module: str) -> set[str]:
    return graph.find_modules_directly_imported_by(module)


@pytest.fixture(scope="module")
def interlock() -> grimp.ImportGraph:
    return grimp.build_graph("interlock", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("contract_id", CONTRACTS)
def test_the_code_keeps_the_contract(interlock: grimp.ImportGraph, contract_id: str) -> None:
    assert is_kept(contract_id, interlock), f"run ./dev exec lint-imports --contract {contract_id} to see the imports"


def test_nothing_that_the_package_itself_imports_imports_the_package(interlock: grimp.ImportGraph) -> None:
    # `import interlock` runs these modules; one of them asking for `interlock` in return is a cycle that the contract
    # on siblings cannot see, because a package is not its own sibling.
    below = interlock.find_upstream_modules("interlock")
    assert not {module for module in below if "interlock" in imports_of(interlock, module)}


# --- the contracts can fail -------------------------------------------------------------------------------------------

SHAPE = (
    "cli", "server", "gateway", "testing", "assembly", "settings",
    "runtime", "runtime.worker", "ledger", "ledger.explain", "ledger.export", "store", "store.postgres", "store.sqlite",
    "advisors", "advisors.chat", "advisors.endpoint", "advisors.provider", "actions", "actions.webhook",
    "releases", "automation", "ports",
    "kernel", "kernel.decide", "kernel.step", "policy", "policy.evaluate", "autonomy", "autonomy.labels",
    "policy.proof", "policy.proof.smt",
    "vocabulary", "vocabulary.ids", "vocabulary.verdict",
)  # fmt: skip
EXTERNAL = {name for options in CONTRACTS.values() for name in options.get("forbidden_modules", ())} | {
    "sqlite3",
    "psycopg",
    "z3",
    "httpx2",
    "pydantic_ai",
    "pyarrow",
}

PERMITTED = (
    ("cli", "assembly"), ("assembly", "store.sqlite"), ("assembly", "settings"), ("cli", "settings"),
    ("runtime.worker", "kernel.step"), ("runtime.worker", "ports"), ("store.sqlite", "ports"),
    ("store.sqlite", "sqlite3"), ("store.postgres", "psycopg"), ("policy.proof.smt", "z3"), ("cli", "policy.proof"),
    ("store.sqlite", "sqlite3"), ("advisors.endpoint", "httpx2"), ("advisors.provider", "pydantic_ai"),
    ("ledger.export", "pyarrow"),
    ("advisors.chat", "vocabulary.ids"), ("kernel.step", "kernel.decide"), ("kernel.decide", "policy.evaluate"),
    ("automation", "kernel.step"), ("releases", "automation"), ("policy.evaluate", "vocabulary.verdict"),
    ("testing", "store.sqlite"), ("vocabulary.verdict", "vocabulary.ids"),
)  # fmt: skip

PLANTED = (
    ("layers", "vocabulary.ids", "kernel.decide"),
    ("layers", "policy.evaluate", "kernel.decide"),
    ("layers", "policy.evaluate", "autonomy.labels"),
    ("layers", "kernel.step", "ports"),
    ("layers", "kernel.step", "automation"),
    ("layers", "automation", "releases"),
    ("layers", "releases", "runtime.worker"),
    ("layers", "runtime.worker", "store.sqlite"),
    ("layers", "ledger.explain", "runtime.worker"),
    ("layers", "store.sqlite", "assembly"),
    ("layers", "assembly", "cli"),
    ("layers", "cli", "testing"),
    ("acyclic", "vocabulary.ids", "vocabulary.verdict"),
    ("acyclic", "kernel.decide", "kernel.step"),
    ("pure-core", "kernel.step", "time"),
    ("pure-core", "kernel.step", "asyncio"),
    ("pure-core", "vocabulary.ids", "uuid"),
    ("pure-core", "policy.evaluate", "random"),
    ("pure-core", "autonomy.labels", "logging"),
    ("pure-core", "policy.evaluate", "pathlib"),
    ("ai-advises", "advisors.chat", "policy.evaluate"),
    ("ai-advises", "advisors.chat", "automation"),
    ("ai-advises", "advisors", "actions.webhook"),
    ("actions-do-not-decide", "actions.webhook", "kernel.decide"),
    ("actions-do-not-decide", "actions.webhook", "advisors.chat"),
    ("settings", "runtime.worker", "settings"),
    ("settings", "kernel.decide", "settings"),
    ("sqlite", "runtime.worker", "sqlite3"),
    ("sqlite", "ledger.explain", "sqlite3"),
    ("psycopg", "runtime.worker", "psycopg"),
    ("psycopg", "store.sqlite", "psycopg"),
    ("adapters", "cli", "store.postgres"),
    ("z3", "policy.evaluate", "z3"),
    ("z3", "ledger.explain", "z3"),
    ("proofs", "kernel.decide", "policy.proof"),
    ("proofs", "policy.evaluate", "policy.proof.smt"),
    ("http-client", "advisors.chat", "httpx2"),
    ("providers", "advisors.chat", "pydantic_ai"),
    ("parquet", "ledger.explain", "pyarrow"),
    ("adapters", "cli", "store.sqlite"),
    ("adapters", "runtime.worker", "advisors.chat"),
)  # fmt: skip


def full(name: str) -> str:
    return name if name in EXTERNAL else f"interlock.{name}"


def well_formed() -> grimp.ImportGraph:
    graph = grimp.ImportGraph()
    graph.add_module("interlock")
    for name in SHAPE:
        graph.add_module(full(name))
    for name in EXTERNAL - graph.modules:
        graph.add_module(name, is_squashed=True)
    for importer, imported in PERMITTED:
        graph.add_import(importer=full(importer), imported=full(imported))
    return graph


@pytest.mark.parametrize("contract_id", CONTRACTS)
def test_the_contract_permits_what_the_architecture_needs(contract_id: str) -> None:
    assert is_kept(contract_id, well_formed())


@pytest.mark.parametrize(("contract_id", "importer", "imported"), PLANTED)
def test_the_contract_notices(contract_id: str, importer: str, imported: str) -> None:
    graph = well_formed()
    graph.add_import(importer=full(importer), imported=full(imported))
    assert not is_kept(contract_id, graph)


def test_a_folder_that_no_layer_names_is_noticed() -> None:
    graph = well_formed()
    graph.add_module("interlock.utils")
    assert not is_kept("layers", graph)


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract_id for contract_id, _, _ in PLANTED} == set(CONTRACTS)


# --- what import contracts cannot see ---------------------------------------------------------------------------------


def test_the_ban_on_dynamic_imports_and_clocks_covers_exactly_the_pure_core() -> None:
    ignores = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["per-file-ignores"]
    (pattern,) = [pattern for pattern, rules in ignores.items() if "TID251" in rules]
    core = pattern.removeprefix("!src/interlock/{").removesuffix("}/**").split(",")
    assert {f"interlock.{package}" for package in core} == set(CONTRACTS["pure-core"]["source_modules"])


def ruff(source: str, path: str) -> str:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", str(ROOT / path), "-"]
    return subprocess.run(command, cwd=ROOT, input=source + "\n", capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    "line",
    [
        "import importlib",
        "from importlib import import_module",
        "import datetime\n\nnow = datetime.datetime.now(datetime.UTC)",
        "from datetime import date\n\ntoday = date.today()",
    ],
)
def test_the_linter_refuses_in_the_core(line: str) -> None:
    assert "TID251" in ruff(line, "src/interlock/kernel/planted.py")
    assert "TID251" not in ruff(line, "src/interlock/runtime/planted.py")


IMPURE_BUILTINS = {"__import__", "breakpoint", "eval", "input", "open", "print"}


def impure_builtins(source: str) -> set[str]:
    names = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Load)} & IMPURE_BUILTINS


def test_the_core_uses_no_impure_builtin() -> None:
    folders = [ROOT / "src" / name.replace(".", "/") for name in CONTRACTS["pure-core"]["source_modules"]]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    assert files
    found = {str(file.relative_to(ROOT)): names for file in files if (names := impure_builtins(file.read_text()))}
    assert not found


def test_an_impure_builtin_is_noticed() -> None:
    assert impure_builtins("value = __import__('time').time()") == {"__import__"}
    assert impure_builtins("def reads(path):\n    return open(path)") == {"open"}
    assert not impure_builtins("def names(case):\n    return case.id, case.open")
