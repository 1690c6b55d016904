"""The `[advisors.NAME]` tables of release.toml: who answers, how, and where the score comes from.

An advisor that another one's score comes from (a classifier, a verifier) is asked as well, without standing in a
question's chain.

INVARIANT: a secret stands here as a reference only. A text that is no reference is refused, and not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urlsplit

from interlock.automation.definition import Definition
from interlock.automation.shape import shape_of
from interlock.automation.wire import ACTION_TAG
from interlock.releases.spec import ADVISOR_KINDS, AdvisorKind, AdvisorSpec
from interlock.releases.tables import Table, nearest
from interlock.vocabulary.limits import ADVISOR_CONCURRENCY, MODEL_SAMPLES_MAX, MODEL_TRIES_MAX
from interlock.vocabulary.release import QuestionSpec

SECRET_PREFIXES = ("env:", "file:")
SCORERS = ("classifier", "verifier")
_NEEDED = {
    "chat": ("base_url", "model", "prompt"),
    "pydantic-ai": ("model", "prompt"),
    "http": ("url",),
}
_SCORES = {
    "chat": ("none", "logprob", "stated", "votes", *SCORERS),
    "pydantic-ai": ("none", "stated", "votes", *SCORERS),
    "http": ("none", "given", "stated"),
}
_EXAMPLES = {
    "none": "none", "logprob": "logprob", "stated": "stated", "given": "given", "votes": "votes:5",
    "classifier": "classifier:NAME", "verifier": "verifier:NAME",
}  # fmt: skip


def read_advisors(
    table: Table, questions: Mapping[str, QuestionSpec], definition: Definition
) -> dict[str, AdvisorSpec]:
    """Every advisor that a question asks, directly or for another one's score, by name."""
    asked = {name for question in questions.values() for name in (*question.chain, *question.also)}
    scorers = {name: _scorer(table, name) for name in asked}
    asked |= {name for name in scorers.values() if name}
    specs = {name: AdvisorSpec(name) for name in asked}
    for name in table.names():
        one = table.table(name)
        if name not in asked:
            one.note(None, f"no question asks {name}.", nearest(name, asked))
        specs[name] = _advisor(one, name)
        one.done()
    for name, spec in specs.items():
        _check_scorer(table.table(name) if table.has(name) else table, spec, specs)
    for question in questions.values():
        for name in dict.fromkeys((*question.chain, *question.also)):
            _check_fields(table, specs[name], question.name, definition)
    return dict(sorted(specs.items()))


def _scorer(table: Table, name: str) -> str:
    """The advisor that this one's score comes from, as far as it can be told before the table is read."""
    raw = table.data.get(name)
    score = cast("Mapping[str, Any]", raw).get("score") if isinstance(raw, Mapping) else None
    kind, _, rest = score.partition(":") if isinstance(score, str) else ("", "", "")
    return rest if kind in SCORERS else ""


def _advisor(one: Table, name: str) -> AdvisorSpec:
    kind = cast("AdvisorKind", one.choice("kind", ADVISOR_KINDS, "code"))
    for needed in _NEEDED.get(kind, ()):
        if not one.has(needed):
            article = "an" if kind == "http" else "a"
            one.note(None, f"{article} {kind} advisor needs `{needed}`.")
    prompt: str | None = None
    options: dict[str, Any] = {}
    match kind:
        case "chat":
            prompt = one.text("prompt") or None
            options = {**_where(one, "base_url"), **_model(one), **_sampling(one)}
            _take(
                one,
                options,
                "structured",
                one.choice("structured", ("json_schema", "json_object", "none"), "json_schema"),
            )
        case "pydantic-ai":
            prompt = one.text("prompt") or None
            options = {**_model(one), **_sampling(one)}
            _take(one, options, "structured", one.choice("structured", ("tool", "json_schema", "none"), "tool"))
        case "http":
            options = _where(one, "url")
            _take(one, options, "score", _score(one, kind))
        case "stub":
            options = {key: plain(one.take(key)) for key in ("value", "score", "rationale") if one.has(key)}
            if "score" in options:
                one.share("score")
            _take(one, options, "delay", one.duration("delay", 0))
            if "value" not in options:
                one.note(None, "a stub advisor needs `value`, the answer it always gives.")
        case "code":
            options = {"params": plain(one.take("params"))} if one.has("params") else {}
    if kind in ("chat", "pydantic-ai"):
        _take(one, options, "score", _score(one, kind))
        if str(options.get("score", "")).startswith("votes") and one.data.get("temperature") == 0:
            one.note("temperature", "samples at temperature 0 are one sample, and their agreement says nothing.")
    return AdvisorSpec(
        name,
        kind,
        one.integer("concurrency", ADVISOR_CONCURRENCY, least=1, most=10_000),
        one.duration("timeout", None),
        prompt,
        one.texts("artefacts"),
        options,
    )


def _take(one: Table, options: dict[str, Any], key: str, value: Any) -> None:
    """Keep what was said; what was not said is no part of a release, so that a new default changes no id."""
    if one.has(key):
        options[key] = value


def _model(one: Table) -> dict[str, Any]:
    options: dict[str, Any] = {}
    _take(one, options, "model", one.text("model"))
    _take(one, options, "system", one.text("system"))
    _take(one, options, "rationale", one.choice("rationale", ("after", "before", "none"), "after"))
    _take(one, options, "score_fields", list(one.texts("score_fields")))
    _take(one, options, "tries", one.integer("tries", 2, least=1, most=MODEL_TRIES_MAX))
    if one.has("price"):
        price = one.table("price")
        currency = price.text("currency")
        given = {key: price.number(key) for key in ("input", "output")}
        if not currency or None in given.values():
            price.note(
                None, "a price has three parts.", 'Write price = { input = 0.15, output = 0.60, currency = "EUR" }.'
            )
        else:
            options["price"] = {"currency": currency, **{key: str(value) for key, value in given.items()}}
        price.done()
    return options


def _sampling(one: Table) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key in ("temperature", "top_p"):
        value = one.number(key)
        if value is not None:
            options[key] = str(value)
    for key in ("max_tokens", "seed"):
        _take(one, options, key, one.integer(key, 0, least=0, most=2**31))
    if one.has("params"):
        given = one.table("params")
        if given.names():
            # As JSON text: canonical bytes hold no fractions, and a parameter is sent as it was written.
            options["params"] = json.dumps(_numbers(given.data), sort_keys=True, default=str)
    return options


def _numbers(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _numbers(one) for key, one in cast("dict[Any, Any]", value).items()}
        case list():
            return [_numbers(one) for one in cast("list[Any]", value)]
        case Decimal():
            return float(value)
        case _:
            return value


def _where(one: Table, key: str) -> dict[str, Any]:
    """Address and keys of a server."""
    options: dict[str, Any] = {}
    url = one.text(key)
    if url:
        options[key] = url
        parts = _split(url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            one.note(key, f"`{key}` is no address of a server.", 'Write e.g. "https://api.example.com/v1".')
        elif parts.username or parts.password:
            options[key] = ""
            one.note(key, f"`{key}` holds a name or a password.", 'Name the secret: key = "env:NAME".')
    if one.has("key_env"):
        options["key_env"] = one.text("key_env")
        if one.has("key"):
            one.note("key", "`key` and `key_env` both name the key.", "Keep one of the two.")
    if one.has("key"):
        key_ = one.text("key")
        if key_.startswith(SECRET_PREFIXES):
            options["key"] = key_
        else:
            one.note(
                "key",
                "`key` is no reference.",
                'A key stands in no file of a release: key = "env:NAME" or "file:PATH".',
            )
    if one.has("headers"):
        headers = one.table("headers")
        found: dict[str, str] = {}
        for name in headers.names():
            value = headers.text(name)
            if name.lower() in ("authorization", "x-api-key", "api-key") and not value.startswith(SECRET_PREFIXES):
                headers.note(name, f"`{name}` is no reference.", 'Write "env:NAME" or "file:PATH".')
            elif not (name.isascii() and name.replace("-", "").isalnum() and value.isascii() and value.isprintable()):
                headers.note(name, "this cannot stand in a header.")
            else:
                found[name] = value
        options["headers"] = found
    return options


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _score(one: Table, kind: str) -> str:
    text = one.text("score", "none")
    name, colon, rest = text.partition(":")
    known = _SCORES[kind]
    wanted = f"It is one of {', '.join(_EXAMPLES[each] for each in known)}."
    if name not in known or bool(colon) != (name in ("votes", *SCORERS)) or (colon and not rest):
        one.note("score", f"`score` is {text!r}.", wanted)
        return "none"
    if name == "votes" and not (rest.isascii() and rest.isdigit() and 2 <= int(rest) <= MODEL_SAMPLES_MAX):
        one.note("score", f"`score` is {text!r}.", f"Samples are 2 to {MODEL_SAMPLES_MAX}.")
        return "none"
    return text


def _check_scorer(table: Table, spec: AdvisorSpec, specs: Mapping[str, AdvisorSpec]) -> None:
    how, _, name = str(spec.options.get("score", "")).partition(":")
    if how not in SCORERS or spec.kind not in ("chat", "pydantic-ai"):
        return
    scorer = specs.get(name)
    if scorer is None or name == spec.name:
        table.note(
            "score", f"there is no other advisor {name}.", nearest(name, [one for one in specs if one != spec.name])
        )
        return
    if scorer.scorer:
        table.note("score", f"{name} takes its own score from {scorer.scorer}.", "A score's source has one of its own.")
    if how == "verifier" and (scorer.kind not in ("chat", "pydantic-ai") or scorer.options.get("score") == "stated"):
        table.note("score", f"{name} is no model that could verify.", "A verifier is a chat or pydantic-ai advisor.")
    prices = [one.options["price"]["currency"] for one in (spec, scorer) if "price" in one.options]
    if len(set(prices)) > 1:
        table.note("price", f"{spec.name} and {name} are paid in different currencies.", "Write both prices in one.")


def _check_fields(table: Table, spec: AdvisorSpec, question: str, definition: Definition) -> None:
    """`score_fields` that the answer does not have would make every answer equal."""
    wanted: list[str] = list(spec.options.get("score_fields", ()))
    if not wanted:
        return
    known = _answer_fields(definition, question)
    for name in wanted:
        if name not in known:
            what = f"{name} is no field of an answer to {question}."
            table.table(spec.name).note("score_fields", what, nearest(name, known) or "Leave `score_fields` out.")
    if definition.questions[question].actions and ACTION_TAG not in wanted:
        table.table(spec.name).note(
            "score_fields",
            f"an answer to {question} is an action.",
            f'Name "{ACTION_TAG}" among the fields that count.',
        )


def _answer_fields(definition: Definition, name: str) -> Iterable[str]:
    question = definition.questions[name]
    if question.answer is not None:
        return list(shape_of(question.answer.schema).get("fields", {}))
    fields = [field for action in question.actions.values() for field in action.model_fields]
    return [ACTION_TAG, *dict.fromkeys(fields)]


def plain(value: Any) -> Any:
    """TOML data without floats or dates: what canonical bytes can hold."""
    match value:
        case dict():
            return {str(key): plain(one) for key, one in cast("dict[Any, Any]", value).items()}
        case list():
            return [plain(one) for one in cast("list[Any]", value)]
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
