"""Follow a dotted path through the schema: what it is, what on the way is optional, and which actions have it.

An argument of an action exists where the proposal may only be of actions that have it. A field that all of them share
with one kind may be used for all.
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.policy import syntax
from interlock.policy.diagnostics import nearest
from interlock.policy.schema import EnumType, Field, InvisibleType, RecordType, TimestampType, Type, kind_of
from interlock.policy.scope import Facts, Spot, a_kind
from interlock.policy.syntax import Expr
from interlock.policy.tree import TRUE, ActionName, And, Consts, Has, In, Kind, Node, Or

ROOTS = ("proposal", "case", "advice", "breaker", "now")
METHODS = ("orValue", "size", "startsWith", "endsWith", "contains")


@dataclass(frozen=True, slots=True)
class Path:
    """A dotted path that exists: its type, its optional prefixes, and the actions whose proposals have it."""

    text: str
    type: Type
    optional: tuple[str, ...]
    having: frozenset[str]
    sure: frozenset[str]

    @property
    def prefixes(self) -> frozenset[str]:
        parts = self.text.split(".")
        return frozenset(".".join(parts[:count]) for count in range(1, len(parts) + 1))


def resolve(spot: Spot, tree: Expr, facts: Facts) -> Path | None:
    """Follow `root.field.field` through the schema."""
    steps: list[syntax.Member] = []
    here = tree
    while isinstance(here, syntax.Member):
        steps.append(here)
        here = here.of
    if not isinstance(here, syntax.Name):
        spot.note("type", tree, "only inputs have fields")
        return None
    if here.name not in ROOTS:
        if here.name in spot.scope.params or here.name in spot.scope.defines:
            spot.scope.used.add(here.name)
            spot.note(
                "type",
                tree,
                f"`{here.name}` is a value and has no fields",
                "name records where they stand: case.order.total",
            )
        else:
            unknown(spot, here)
        return None
    steps.reverse()
    schema = spot.scope.schema
    type_: Type
    match here.name:
        case "proposal":
            return _proposal(spot, tree, here, steps, facts)
        case "now":
            type_ = TimestampType()
        case "case":
            type_ = schema.case
        case "advice":
            type_ = schema.advice
        case _:
            type_ = schema.breaker
    return _follow(spot, Path(here.name, type_, (), facts.actions, facts.actions), steps)


def _proposal(spot: Spot, tree: Expr, root: syntax.Name, steps: list[syntax.Member], facts: Facts) -> Path | None:
    schema = spot.scope.schema
    everyone = facts.actions
    if not steps:
        return Path("proposal", RecordType(schema.proposal.fields), (), everyone, everyone)
    first, rest = steps[0], steps[1:]
    text = f"proposal.{first.name}"
    if first.name == "action":
        return _follow(spot, Path(text, EnumType(tuple(schema.actions)), (), everyone, everyone), rest)
    shared = schema.proposal.fields.get(first.name)
    if shared is not None:
        optional = (text,) if shared.optional else ()
        sure = frozenset[str]() if shared.optional else everyone
        return _follow(spot, Path(text, shared.type, optional, everyone, sure), rest)
    # Where no action is possible the expression is unreachable; it is still checked, against all of them.
    possible = everyone or frozenset(schema.actions)
    fields = {name: schema.actions[name].args.fields.get(first.name) for name in sorted(possible)}
    known = {name: f for name, f in fields.items() if f is not None}
    if not known:
        _unknown_argument(spot, first, possible)
        return None
    joined = _join(list(known.values()))
    if joined is None:
        spot.span(
            "type",
            first.name_start,
            first.end,
            f"`{text}` has another type in each of: {', '.join(known)}",
            "narrow to one action: for: " + next(iter(known)),
        )
        return None
    having = frozenset(known) if everyone else everyone
    sure = frozenset(name for name, f in known.items() if not f.optional) & having
    return _follow(spot, Path(text, joined.type, (text,) if joined.optional else (), having, sure), rest)


def _unknown_argument(spot: Spot, step: syntax.Member, possible: frozenset[str]) -> None:
    schema = spot.scope.schema
    others = [name for name, action in schema.actions.items() if step.name in action.args.fields]
    here = ", ".join(sorted(possible))
    if others:
        spot.span(
            "not_for_action",
            step.name_start,
            step.end,
            f"`proposal.{step.name}` does not exist for {here}",
            f"it exists for {', '.join(sorted(others))}",
        )
        return
    known = {"action", *schema.proposal.fields} | {name for a in possible for name in schema.actions[a].args.fields}
    spot.span(
        "unknown_field",
        step.name_start,
        step.end,
        f"`proposal` has no field `{step.name}`",
        nearest(step.name, known),
    )


def only_for(spot: Spot, tree: Expr, path: Path, facts: Facts) -> None:
    if not facts.actions:
        return
    having = sorted(path.having)
    others = sorted(facts.actions - path.having)
    shown = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
    limit = having[0] if len(having) == 1 else f"[{', '.join(having)}]"
    spot.note(
        "not_for_action",
        tree,
        f"`{path.text}` exists only for {', '.join(having)}; here the action may also be {shown}",
        f'limit the rule with `for: {limit}`, or write proposal.action == "{having[0]}" && ...',
    )


def _follow(spot: Spot, path: Path, steps: list[syntax.Member]) -> Path | None:
    for step in steps:
        if isinstance(path.type, InvisibleType):
            invisible(spot, step, path.text, path.type)
            return None
        if not isinstance(path.type, RecordType):
            kind = a_kind(kind_of(path.type))
            methods = f"write {path.text}.{step.name}(...)" if step.name in METHODS else ""
            spot.span("type", step.name_start, step.end, f"`{path.text}` is {kind} and has no fields", methods)
            return None
        f = path.type.fields.get(step.name)
        if f is None:
            spot.span(
                "unknown_field",
                step.name_start,
                step.end,
                f"`{path.text}` has no field `{step.name}`",
                nearest(step.name, path.type.fields),
            )
            return None
        text = f"{path.text}.{step.name}"
        if f.optional:
            path = Path(text, f.type, (*path.optional, text), path.having, frozenset())
        else:
            path = Path(text, f.type, path.optional, path.having, path.sure)
    return path


def presence(spot: Spot, path: Path, facts: Facts) -> Node:
    """Whether a path is there, with everything known that is known: the action may decide it, or a fact."""
    sure = path.having if all(prefix in facts.present for prefix in path.optional) else path.sure
    has = Has(path.text, isinstance(path.type, RecordType))
    maybe = path.having - sure
    if maybe == facts.actions:
        return has
    if sure == facts.actions:
        return TRUE
    by_action: list[Node] = []
    name = ActionName(_action_kind(spot))
    if sure:
        by_action.append(In(name, Consts(name.kind, tuple(sorted(sure)))))
    if maybe:
        by_action.append(And((In(name, Consts(name.kind, tuple(sorted(maybe)))), has)))
    return by_action[0] if len(by_action) == 1 else Or(tuple(by_action))


def invisible(spot: Spot, at: Expr, path: str, type_: InvisibleType) -> None:
    """A field without a bound. One without a reason had a type that could not be read, which was reported there."""
    if type_.reason:
        spot.note("invisible", at, f"rules cannot read `{path}`", type_.reason)


def unknown(spot: Spot, tree: syntax.Name) -> None:
    """Report a name that means nothing, with what it may have been meant for."""
    scope, name = spot.scope, tree.name
    near = nearest(name, [*ROOTS, *scope.params, *scope.defines])
    for root in ("proposal", "case"):
        if name in _fields_of(spot, root):
            near = f"write `{root}.{name}`"
    spot.note("unknown_name", tree, f"nothing is called `{name}`", near)


def _fields_of(spot: Spot, root: str) -> set[str]:
    schema = spot.scope.schema
    if root == "case":
        return set(schema.case.fields)
    return {"action", *schema.proposal.fields} | {
        name for action in schema.actions.values() for name in action.args.fields
    }


def _action_kind(spot: Spot) -> Kind:
    return Kind("enum", values=tuple(spot.scope.schema.actions))


def _join(fields: list[Field]) -> Field | None:
    """One field for several actions: leaves of one kind, records equal."""
    first = fields[0]
    for other in fields[1:]:
        if isinstance(first.type, RecordType | InvisibleType) or isinstance(other.type, RecordType | InvisibleType):
            if first.type != other.type:
                return None
        elif kind_of(first.type) != kind_of(other.type):
            return None
    return Field(first.type, any(f.optional for f in fields))
