"""docs/reference/release-toml.md: the keys that the readers ask for, with the types and defaults they ask with.

The readers read one release.toml that holds every key of `KEYS` with its example, and are watched while they do: what a
key is (duration, share, choice ...), its bounds and its default come from their own calls. The words and the example
stand here. A reader that asks for another key than `KEYS` describes fails a test, and so does a key that nobody reads.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

from interlock.automation.defining import survey
from interlock.automation.policyschema import derive_schema
from interlock.releases import advisors, budgets, reading, reviewing
from interlock.releases.reading import read_release
from interlock.releases.tables import Table
from tests.docs.pages import desk


class Key(NamedTuple):
    """What the reader's call does not say.

    example     as it stands behind `key =`
    left_out    what holds without it, where that is no plain default
    instead     the key that it stands for and not beside: it is in the second example, and that one in the first
    """

    meaning: str
    example: str
    left_out: str = ""
    instead: str = ""


class Asked(NamedTuple):
    """One getter of a `Table`, with what it was called with beside the key."""

    getter: str
    given: Mapping[str, Any]


HEAD = """\
# release.toml

<!-- Written by `python -m tests.docs.pages`; change the code, not this file. -->

Who is asked, what may run alone, what may not be exceeded, who reviews. It stands beside `automation.py` and is part of
the release: a changed value is another release. Only `[questions.NAME]` is needed, one for each question; a key
that nobody knows is an error with its line, and `interlock check` reports all errors at once. Examples are of one
imaginary automation with the actions `refund` (irreversible) and `reply` (reversible).

- **duration**: text such as `"500ms"`, `"20s"`, `"1h30m"`, `"7d"`.
- **number**: exact; `0.1` is a tenth. **share**: a number from 0 to 1.
- **texts**: a list of texts, each once; one text stands for a list of one.
- **date**: `2027-12-31` without quotes, to its end in UTC, or a date and time with its offset.
"""

MODEL = {
    "model": Key("The model, as the server calls it; with pydantic-ai `provider:model`.", '"m-1"', "needed"),
    "prompt": Key(
        "Path of the prompt in the folder; `{field}` stands for a field of the question.", '"p.md"', "needed"
    ),
    "system": Key("The system message.", '"You judge refunds."', "none"),
    "rationale": Key("Whether the model gives reasons, and whether before or behind its answer.", '"before"'),
    "score": Key(
        "Where the score comes from: `none`, `stated`, `votes:N`, `classifier:NAME`, `verifier:NAME`; chat also "
        "`logprob`. Without a score nothing is earned.",
        '"votes:5"',
    ),
    "score_fields": Key("Fields of the answer that must agree for samples to agree.", '["amount"]', "all"),
    "tries": Key("Outputs for one answer until one has the right form.", "3"),
    "structured": Key("How the server is held to the answer's schema.", '"json_schema"'),
    "temperature": Key("Passed on.", "0.7", "not sent"),
    "top_p": Key("Passed on.", "0.9", "not sent"),
    "max_tokens": Key("Passed on.", "300", "not sent"),
    "seed": Key("Passed on.", "7", "not sent"),
    "params": Key("Further parameters of the server, passed on as written.", '{ reasoning_effort = "low" }'),
    "price": Key("What usage costs; see below.", '{ input = 0.15, output = 0.60, currency = "EUR" }', "unknown"),
}
SERVER = {
    "key": Key("Reference to the secret: `env:NAME` or `file:PATH`; never the secret.", '"env:MODEL_KEY"', "no key"),
    "key_env": Key("The variable that holds the secret, instead of `key`.", '"MODEL_KEY"', "no key", "key"),
    "headers": Key("More headers; one that holds a secret is a reference, too.", '{ X-Team = "desk" }'),
}
PRICE = {
    "input": Key("For a million tokens read.", "0.15", "needed"),
    "output": Key("For a million tokens written.", "0.60", "needed"),
    "currency": Key("Three letters.", '"EUR"', "needed"),
}
ADVISOR = {
    "kind": Key("What it is.", "{}"),
    "concurrency": Key("Calls of it in flight at once, in one worker.", "8"),
    "timeout": Key("How long one answer may take.", '"20s"', "that of the question"),
    "artefacts": Key("Files of the folder whose content influences its answers (weights, lists).", '["weights.json"]'),
}
WINDOW = {
    "by": Key("Paths whose values each have their own account.", '["case.customer"]', "one account"),
    "per": Key(
        "The window: `minute`, `hour`, `day`, `week`, `month`, `quarter`, `year`, each with a time zone; `ever`; "
        "`rolling 90d`.",
        '"day Europe/Berlin"',
    ),
    "max": Key("The limit for decisions without a person.", "5000.00", "needed"),
    "sum": Key(
        "Path of what is added up: an argument, or with advisors `usage.cost`, `usage.tokens`.", '"{}"', "count"
    ),
    "count": Key("Count instead of adding up.", "false"),
    "currency": Key("Three letters, shown with the amounts; needed with `usage.cost`.", '"EUR"', "none"),
}
HANDOVER = {
    "after": Key("How long after the review was opened.", '"8h"', "needed"),
    "to": Key("The group.", '"seniors"', "needed"),
}


def _as(keys: Mapping[str, Key], **examples: str) -> dict[str, Key]:
    """The keys, with other examples for some."""
    return {name: key._replace(example=examples.get(name, key.example)) for name, key in keys.items()}


TABLES = ("questions", "advisors", "effects", "budgets", "reviews")

KEYS: dict[str, dict[str, Key]] = {
    **{table: {"NAME": Key("", "")} for table in TABLES},
    "": {
        "orphan_after": Key("How long an event waits for the one that opens its case.", '"7d"'),
        **{
            name: Key(f"See `[{name}{below}]`.", "")
            for name, below in (
                ("questions", ".NAME"),
                ("advisors", ".NAME"),
                ("effects", ".NAME"),
                ("autonomy", ""),
                ("budgets", ".NAME"),
                ("reviews", ".NAME"),
                ("mcp", ".tools.NAME"),
            )
        },
    },
    "questions.NAME": {
        "chain": Key(
            "Advisors, in this order, until one answers.", '["large", "own", "service", "fixed", "provided"]', "needed"
        ),
        "also": Key("Advisors asked beside it, for `advice.agreed`.", '["large"]'),
        "timeout": Key("How long one advisor may take.", '"30s"'),
        "retries": Key("Tries again of an advisor that failed.", "1"),
    },
    "advisors.NAME (chat)": {
        **_as(ADVISOR, kind='"chat"'),
        "base_url": Key("Address of an OpenAI-compatible server.", '"https://api.example.com/v1"', "needed"),
        **SERVER,
        **MODEL,
    },
    "advisors.NAME (pydantic-ai)": {**_as(ADVISOR, kind='"pydantic-ai"'), **_as(MODEL, model='"openai:m-1"')},
    "advisors.NAME.price": PRICE,
    "advisors.NAME (http)": {
        **_as(ADVISOR, kind='"http"'),
        "url": Key("Address that questions are posted to.", '"https://advice.example.com/ask"', "needed"),
        **SERVER,
        "score": Key("Where the score comes from: `none`, `given`, `stated`.", '"given"'),
    },
    "advisors.NAME (stub)": {
        **_as(ADVISOR, kind='"stub"'),
        "value": Key("The answer that it always gives.", '{ amount = "1.00" }', "needed"),
        "score": Key("Its score.", "0.9", "none"),
        "rationale": Key("Its rationale.", '"Always this."', "none"),
        "delay": Key("How long it takes.", '"10ms"'),
    },
    "advisors.NAME (code)": {
        **_as(ADVISOR, kind='"code"'),
        "params": Key("Values of which the release knows that they influence its answers.", "{ depth = 3 }", "none"),
    },
    "advisors.NAME.headers": {"X-Team": Key("A header by its name.", "", "none")},
    "effects.NAME": {
        "dependency": Key(
            "The outside system, one for several actions: the unit of concurrency and of the circuit breaker.",
            '"payments"',
        ),
        "concurrency": Key("Calls in flight at once, in one worker.", "4"),
        "timeout": Key("How long one call may take; then its outcome is unknown.", '"30s"'),
    },
    "autonomy": {
        "off": Key("Reversible actions that run on rules alone.", '["reply"]', "none"),
        "NAME": Key("See `[autonomy.NAME]`.", ""),
    },
    "autonomy.NAME": {
        "error_max": Key("Largest share of errors (alpha).", "0.01", "none"),
        "risk": Key("Largest chance of a wrong grant (delta).", "0.05", "none"),
        "audit": Key("Share of automatic decisions that people review blindly.", "0.10", "none"),
        "owner": Key("Who answers for it.", '"head of support"', "nobody"),
        "vouched": Key("See `[[autonomy.NAME.vouched]]`.", "", "none"),
    },
    "autonomy.NAME.vouched": {
        "by": Key("The owner who vouches.", '"head of support"', "needed"),
        "reason": Key("Why.", '"Compared with 2,000 keyed cases."', "needed"),
        "until": Key("The end.", "2027-12-31", "needed"),
        "rung": Key("Least score.", "0.9", "no score is asked for"),
        "max": Key("Largest amount.", "200.00", "no limit"),
        "amount": Key("Path of that amount.", '"proposal.amount"'),
    },
    "budgets.NAME (of actions)": {
        "for": Key("Actions that it covers.", '["refund"]', "needed"),
        **_as(WINDOW, sum='"proposal.amount"'),
        "hard": Key("The limit that people cannot approve above, either.", "8000.00", "that of `max`"),
        "on_exceeded": Key("What a shortfall means.", '"wait"'),
        "wait_for": Key("How long a decision waits for capacity; then a person is asked.", '"2d"'),
        "group": Key("Who is asked.", '"finance"', "the policy's group"),
        "settle": Key("Path in the performer's result of what was really used.", '"result.refunded"', "as reserved"),
    },
    "budgets.NAME (of advisors)": {
        "advisors": Key("Advisors that it covers.", '["large"]', "a budget of actions"),
        **_as(WINDOW, sum='"usage.cost"'),
        "reserve": Key("The most that one call uses; nobody is asked while less is free.", "0.02", "needed with `sum`"),
    },
    "reviews.NAME": {
        "members": Key("Principals of the group.", '["anna", "ben"]', "whoever says so"),
        "four_eyes": Key("Who asked for it, or edited it, cannot approve it.", "true"),
        "show": Key("Paths below `case`, `proposal`, `advice`, in the order shown.", '["proposal.amount"]', "all"),
        "expires": Key("When an unanswered review ends; it never approves.", '"7d"'),
        "claim": Key("How long a claimed review is one person's.", '"30m"'),
        "remind": Key("When the group is reminded, from the opening: a duration or several.", '["4h", "1d"]', "never"),
        "reassign": Key("When and to whom it is handed over.", '{ after = "8h", to = "seniors" }', "never"),
        "escalate": Key("When and whom else it needs.", '{ after = "2d", to = "owners" }', "never"),
        "reassign_to": Key("Groups that its people may hand it to.", '["seniors"]', "none"),
        "ask": Key("The event that a reviewer's question becomes.", '"NeedInfo"', "it is recorded only"),
        "answered_by": Key("Events that answer it.", '["Replied"]', "any event of the case"),
        "answer_within": Key("How long it waits for the answer.", '"3d"'),
    },
    "reviews.NAME.reassign": HANDOVER,
    "reviews.NAME.escalate": HANDOVER,
    "mcp": {"tools": Key("See `[mcp.tools.NAME]`.", "")},
    "mcp.tools": {"NAME": Key("See `[mcp.tools.NAME]`.", "")},
    "mcp.tools.NAME": {"action": Key("The action whose performer the tool is.", '"Reply"', "that of the tool's name")},
}
"""Table, and what each of its keys means, in the order of the page."""

NAMES = {
    "questions.NAME": "Assess", "advisors.NAME (chat)": "large", "advisors.NAME (pydantic-ai)": "provided",
    "advisors.NAME (http)": "service", "advisors.NAME (stub)": "fixed", "advisors.NAME (code)": "own",
    "effects.NAME": "refund", "autonomy.NAME": "refund", "autonomy.NAME.vouched": "refund",
    "budgets.NAME (of actions)": "refunds", "budgets.NAME (of advisors)": "models", "reviews.NAME": "support",
    "mcp.tools.NAME": "reply",
}  # fmt: skip
"""What NAME is in the examples."""

GETTERS = (
    "text",
    "texts",
    "flag",
    "integer",
    "number",
    "share",
    "duration",
    "moment",
    "choice",
    "table",
    "tables",
    "take",
)
READERS = (reading, advisors, budgets, reviewing)


def example(which: int = 1) -> str:
    """One release.toml with every key, but those that stand instead of another one (1) or that others replace (2)."""
    lines = _written(KEYS[""], which)
    lines += ["", "[autonomy]", *_written(KEYS["autonomy"], which)]
    for place, name in NAMES.items():
        path = place.partition(" ")[0].replace("NAME", name)
        lines += ["", f"[[{path}]]" if path.endswith("vouched") else f"[{path}]", *_written(KEYS[place], which)]
    return "\n".join(lines) + "\n"


def _written(keys: Mapping[str, Key], which: int) -> list[str]:
    left_out = {name if which == 1 else key.instead for name, key in keys.items() if key.instead}
    return [f"{name} = {key.example}" for name, key in keys.items() if key.example and name not in left_out]


@cache
def read() -> dict[str, dict[str, Asked]]:
    """What the readers ask of each table of the example, by table as in `KEYS`.

    Raises AssertionError if the example has a mistake: then it is no example, and the readers may have given up early.
    """
    found: dict[str, dict[str, Asked]] = {}
    inside = False

    def watched(getter: str, real: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(real)

        def asked(table: Table, key: str, *args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return real(table, key, *args, **kwargs)
            bound = signature.bind(table, key, *args, **kwargs)
            bound.apply_defaults()
            given = {name: value for name, value in bound.arguments.items() if name not in ("self", "key")}
            place, name = _place(table, key)
            before = found.setdefault(place, {}).get(name)
            if before is None or before.getter == "take":
                found[place][name] = Asked(getter, given)
            inside = True
            try:
                return real(table, key, *args, **kwargs)
            finally:
                inside = False

        return asked

    definition, problems = survey([desk], app=desk.app)
    assert definition is not None and not problems, [str(problem) for problem in problems]
    patches = [patch.object(Table, getter, watched(getter, getattr(Table, getter))) for getter in GETTERS]
    for one in patches:
        one.start()
    try:
        for which in (1, 2):
            problems += read_release(example(which), definition, derive_schema(definition))[1]
    finally:
        for one in patches:
            one.stop()
    assert not problems, [str(problem) for problem in problems]
    return found


def _place(table: Table, key: str) -> tuple[str, str]:
    """The table and key as the page calls them: names of the example become NAME."""
    steps = [step for step in table.path if isinstance(step, str)]
    whose = [
        place for place, name in NAMES.items() if len(steps) > 1 and place.split(".")[0] == steps[0] and name in steps
    ]
    variant = whose[0].partition(" ")[2] if whose else ""
    names = set(NAMES.values())
    path = ".".join("NAME" if step in names else step for step in steps)
    if variant and len(steps) == 2:
        path = f"{path} {variant}"
    return path, "NAME" if key in names else key


def named_in_the_code() -> set[str]:
    """Keys that the readers name in a call of a getter, whether or not the example reaches the call."""
    calls = [node for reader in READERS for node in ast.walk(ast.parse(inspect.getsource(reader)))]
    return {
        node.args[0].value
        for node in calls
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in GETTERS
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def page() -> str:
    """The whole document."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield HEAD.rstrip("\n")
    asked = read()
    for place, keys in KEYS.items():
        if place in UNSAID:
            continue
        path, _, variant = place.partition(" ")
        header = f"[[{path}]]" if path.endswith("vouched") else f"[{path}]"
        yield f"\n## {f'`{header}`' if path else 'At the top'}{f' {variant}' if variant else ''}\n"
        yield "| key | type | without it | meaning | example |\n|---|---|---|---|---|"
        for name, key in keys.items():
            how = asked[place][name]
            shown = f"`{key.example}`" if key.example else ""
            yield f"| `{name}` | {_type(how)} | {key.left_out or _default(how, name)} | {key.meaning} | {shown} |"
    yield "\n## All of it\n\nThis is read without an error by the test that keeps this page.\n"
    yield f"```toml\n{example()}```"


UNSAID = (*TABLES, "advisors.NAME.headers", "mcp", "mcp.tools")
"""Tables whose keys are anybody's, or that only hold tables."""

TYPES = {
    "text": "text", "texts": "texts", "flag": "true or false", "number": "number, 0 or more", "share": "share",
    "duration": "duration", "moment": "date", "table": "table", "tables": "tables", "take": "any value",
}  # fmt: skip


def _type(how: Asked) -> str:
    match how.getter:
        case "integer":
            return f"whole number, {how.given['least']} to {how.given['most']}"
        case "choice":
            return "one of " + ", ".join(f"`{one}`" for one in how.given["choices"])
        case getter:
            return TYPES[getter]


def _default(how: Asked, name: str) -> str:
    default = how.given.get("default")
    match how.getter, default:
        case "duration", int():
            return f'`"{_duration(default)}"`'
        case "flag", bool():
            return f"`{str(default).lower()}`"
        case (("text" | "choice"), str()) if default:
            named = [word for word in default.replace(":", " ").split() if word in NAMES.values()]
            return f"`{_quoted(default.replace(named[0], 'NAME') if named else default)}`"
        case "integer", int():
            return f"`{default}`"
        case (("table" | "tables" | "texts"), _):
            return "none"
        case _:
            raise AssertionError(f"{name}: say what holds without it.")


def _quoted(text: str) -> str:
    """As TOML writes it."""
    return f'"{text}"'


def _duration(micros: int) -> str:
    """A duration as one writes it in release.toml, in its largest whole unit."""
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        if micros and micros % size == 0:
            return f"{micros // size}{unit}"
    return f"{micros // 1_000}ms"
