"""From the text of a policy document to a Policy, or to everything that is wrong with it.

A document has `policy`, `schema`, `params`, `define`, `rules`, `default`, `invariants` and `cases`; any other key
is a mistake. Nothing here decides: it reads, checks and hands the result to `Policy`.

INVARIANT: `load` returns a Policy or raises PolicyErrors, whatever the text.
INVARIANT: all mistakes are found in one run; a mistake in one rule hides none in another.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from interlock.policy.agree import constants, number
from interlock.policy.cases import PolicyTest, read_cases
from interlock.policy.check import FUNCTIONS, condition, definition, parse
from interlock.policy.diagnostics import Report, nearest
from interlock.policy.document import Entries, Items, Node, Scalar, only_keys, prose, read
from interlock.policy.limits import NUMBER_DIGITS_MAX, POLICY_NODES_MAX, RULES_MAX
from interlock.policy.moments import timestamp_us
from interlock.policy.paths import ROOTS
from interlock.policy.policy import Policy
from interlock.policy.rules import STRICTNESS, Default, Invariant, Rule
from interlock.policy.schema import NAME, Schema
from interlock.policy.schema_text import read_schema
from interlock.policy.scope import Definition, Facts, Scope
from interlock.policy.syntax import DURATION as DURATION_TEXT
from interlock.policy.syntax import NUMBER, duration_us
from interlock.policy.tree import BOOL, DURATION, STRING, TIMESTAMP, TRUE, Const, Consts, measure
from interlock.policy.tree import Node as Tree
from interlock.vocabulary.verdict import Group, Outcome

KEYS = ("policy", "schema", "params", "define", "rules", "default", "invariants", "cases")
RULE_KEYS = ("id", "for", "when", "unless", "then", "to", "reason")
DEFAULT_KEYS = ("verdict", "to", "reason")
OUTCOMES: tuple[Outcome, ...] = ("deny", "escalate", "fallback", "allow")

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", re.ASCII)
_RESERVED = (*ROOTS, *FUNCTIONS, "true", "false", "in", "null")
_RULE_USAGE = "- {id: ..., when: ..., then: deny | escalate | fallback | allow, to: ..., reason: ...}"


def load(
    text: str, *, file: str = "policy.yaml", schema: Schema | None = None, fallbacks: Collection[str] = ()
) -> Policy:
    """Read and check a policy document.

    schema     derived from an automation's types; a `schema:` block in the document may then only narrow it.
    Without one the
               document must have the block
    fallbacks  names that `then: fallback` may go to; checked where `schema` is given

    Raises PolicyErrors with every mistake: file, line, column, excerpt and suggestion.
    """
    report = Report(text, file)
    root = read(report)
    if not isinstance(root, Entries):
        if not report:
            report.add("shape", 0, "a policy document is a mapping", f"with the keys {', '.join(KEYS)}")
        report.close()
        raise AssertionError("a report that is not empty raises")
    only_keys(report, root, KEYS, "a policy")
    policy = _Reader(report, root, schema, None if schema is None else frozenset(fallbacks)).read(text, file)
    report.close()
    if policy is None:
        raise AssertionError("a policy that cannot be read leaves a finding")
    return policy


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a verdict leads."""

    then: Outcome
    groups: tuple[Group, ...]
    fallback: str | None


class _Reader:
    """One document being read. Each method reads one block and reports what is wrong in it."""

    def __init__(self, report: Report, root: Entries, schema: Schema | None, fallbacks: frozenset[str] | None) -> None:
        self._report = report
        self._root = root
        self._fallbacks = fallbacks
        self._ids: dict[str, int] = {}
        self._schema = self._read_schema(schema)
        # Without a schema the expressions are still read, so that mistakes of syntax are not found one run later.
        self._scope = Scope(self._schema or Schema({}), report)

    def read(self, text: str, file: str) -> Policy | None:
        """Everything, in the order of dependence: names before the rules that use them."""
        name = self._name()
        self._scope.params = self._params()
        self._scope.defines = self._defines()
        rules = self._rules()
        default = self._default()
        invariants = self._invariants()
        self._unused()
        tests: tuple[PolicyTest, ...] = ()
        cases = self._root.get("cases")
        if cases is not None and self._schema is not None:
            # A rule with a mistake in it has its name all the same.
            tests = read_cases(self._report, cases, self._schema, tuple(self._ids))
        size = sum(measure(tree)[1] for rule in rules for tree in (rule.when, rule.unless) if tree is not None)
        if size > POLICY_NODES_MAX:
            self._report.add("too_large", 0, f"the rules together have more than {POLICY_NODES_MAX} parts")
        if self._report or default is None or self._schema is None:
            return None
        return Policy(
            name=name,
            source=text,
            file=file,
            schema=self._schema,
            params=self._scope.params,
            rules=rules,
            default=default,
            invariants=invariants,
            tests=tests,
            remarks=self._report.remarks(),
        )

    def _note(self, code: str, node: Node, message: str, suggestion: str = "") -> None:
        width = len(node.raw.rstrip()) if isinstance(node, Scalar) and "\n" not in node.raw.rstrip() else 1
        self._report.add(code, node.index, message, suggestion, width=width)

    def _read_schema(self, derived: Schema | None) -> Schema | None:
        block = self._root.get("schema")
        if block is not None:
            return read_schema(self._report, block, derived)
        if derived is None:
            self._report.add(
                "schema",
                self._root.index,
                "the policy has no schema",
                "add a `schema:` block, or check it beside its automation, whose types give the schema",
            )
        return derived

    def _name(self) -> str:
        given = self._root.get("policy")
        if isinstance(given, Scalar) and _ID.fullmatch(given.text):
            return given.text
        if given is None:
            self._report.add("shape", self._root.index, "the policy has no name", "begin with `policy: NAME`")
        else:
            self._note("shape", given, "this is no name for a policy", "letters, digits, _ . -")
        return ""

    # --- names ----------------------------------------------------------------------------------------------------

    def _named(self, block: str) -> Iterable[tuple[Scalar, Node]]:
        node = self._root.get(block)
        if node is None or (isinstance(node, Scalar) and node.plain and node.text == ""):
            return
        if not isinstance(node, Entries):
            self._note("shape", node, f"`{block}` is a mapping of names")
            return
        for key, value in node:
            if NAME.fullmatch(key.text) is None or key.text in _RESERVED:
                self._note(
                    "name", key, f"`{key.text}` cannot be a name here", "letters, digits and _, and none of the roots"
                )
            else:
                yield key, value

    def _params(self) -> dict[str, Const | Consts]:
        params: dict[str, Const | Consts] = {}
        for key, value in self._named("params"):
            if isinstance(value, Scalar):
                const = self._constant(value)
                if const is not None:
                    params[key.text] = Const(const.kind, const.value, key.text)
                continue
            if isinstance(value, Entries):
                self._note("shape", value, f"parameter `{key.text}` is a value or a list of values")
                continue
            found = [self._constant(item) if isinstance(item, Scalar) else None for item in value]
            items = [const for const in found if const is not None]
            made = constants(items) if items and len(items) == len(found) else None
            if made is None:
                self._note("type", value, f"parameter `{key.text}` is not a list of values of one type")
            else:
                params[key.text] = Consts(made.kind, made.values, key.text)
        return params

    def _constant(self, node: Scalar) -> Const | None:
        """A value as its author wrote it: quoted is text, otherwise what it looks like."""
        text = node.text
        if not node.plain:
            return Const(STRING, text)
        if text in ("true", "false"):
            return Const(BOOL, text == "true")
        if len(text) <= NUMBER_DIGITS_MAX:
            if NUMBER.fullmatch(text):
                return number(text)
            if DURATION_TEXT.fullmatch(text):
                return Const(DURATION, duration_us(text))
            try:
                return Const(TIMESTAMP, timestamp_us(text))
            except ValueError:
                pass
        if text == "" or text[0].isdigit() or text[0] in "+-.":
            self._note(
                "type", node, f"`{text}` is no number, duration or timestamp", "write 200.00, 30d, or text in quotes"
            )
            return None
        return Const(STRING, text)

    def _defines(self) -> dict[str, Definition]:
        defines: dict[str, Definition] = {}
        for key, value in self._named("define"):
            if key.text in self._scope.params:
                self._note("name", key, f"`{key.text}` is a parameter as well", "give one of them another name")
            if not isinstance(value, Scalar):
                self._note(
                    "shape",
                    value,
                    f"definition `{key.text}` is an expression",
                    "put it in quotes if it begins with [ or {",
                )
            else:
                defines[key.text] = Definition(value, parse(self._scope, value))
        return defines

    def _unused(self) -> None:
        """A name that nothing uses is a mistake: somebody believes that changing it changes something."""
        for block, names in (("params", self._scope.params), ("define", self._scope.defines)):
            node = self._root.get(block)
            for name in names:
                key = node.key(name) if isinstance(node, Entries) else None
                if name in self._scope.used or key is None:
                    continue
                what = "parameter" if block == "params" else "definition"
                self._note("unused", key, f"{what} `{name}` is used by no rule", "remove it, or use it")
                if block == "define" and self._schema is not None:
                    definition(self._scope, name, self._scope.facts())

    # --- rules ----------------------------------------------------------------------------------------------------

    def _rules(self) -> tuple[Rule, ...]:
        node = self._root.get("rules")
        if not isinstance(node, Items):
            self._report.add(
                "shape", node.index if node else self._root.index, "a policy has a list of `rules`", _RULE_USAGE
            )
            return ()
        if len(node.items) > RULES_MAX:
            self._note("too_large", node, f"more than {RULES_MAX} rules")
            return ()
        rules: list[Rule] = []
        lowest: tuple[int, Outcome] = (0, "deny")
        for item in node:
            if not isinstance(item, Entries):
                self._note("shape", item, "a rule is a mapping", _RULE_USAGE)
                continue
            rule_ = prose(self._report, item, "reason", RULE_KEYS)
            only_keys(self._report, rule_, RULE_KEYS, "a rule")
            id_ = self._rule_id(rule_)
            then = rule_.get("then")
            target = self._target(rule_, then, rule_.get("to"), OUTCOMES, "then")
            if target is not None and then is not None:
                if STRICTNESS[target.then] < lowest[0]:
                    self._note(
                        "order",
                        then,
                        f"a {target.then} rule stands below {_article(lowest[1])} rule",
                        "the strictest wins: write deny, then escalate, then fallback, then allow",
                    )
                else:
                    lowest = (STRICTNESS[target.then], target.then)
            rule = self._rule(rule_, id_, target)
            if rule is not None:
                rules.append(rule)
        return tuple(rules)

    def _rule_id(self, item: Entries) -> str:
        ids = self._ids
        node = item.get("id")
        if node is None:
            self._report.add("shape", item.index, "a rule needs an `id`", "it is what records and explanations name")
            return ""
        if not isinstance(node, Scalar) or _ID.fullmatch(node.text) is None or node.text == "default":
            self._note("shape", node, "this is no id for a rule", "letters, digits, _ . - (and not `default`)")
            return ""
        if node.text in ids:
            self._note("duplicate_id", node, f"rule id `{node.text}` is used before, in line {ids[node.text]}")
        ids.setdefault(node.text, self._report.place(node.index)[0])
        return node.text

    def _rule(self, item: Entries, id_: str, target: _Target | None) -> Rule | None:
        reason = item.get("reason")
        if reason is not None and not isinstance(reason, Scalar):
            self._note("shape", reason, "`reason` is a sentence", "put it in quotes if it contains a colon")
        facts, for_ = self._for(item)
        when_at, unless_at = item.get("when"), item.get("unless")
        if when_at is None:
            self._report.add(
                "shape", item.index, "a rule needs `when`", "write when: 'true' for a rule that always holds"
            )
        when = self._condition(when_at, facts)
        # Where `when` could not be checked, `unless` is checked with what is known anyway.
        unless = self._condition(unless_at, when[1] if when else facts)
        if when is None or (unless_at is not None and unless is None) or target is None or not id_:
            return None
        return Rule(
            id=id_,
            line=self._report.place(item.index)[0],
            for_=for_,
            when=when[0],
            unless=unless[0] if unless else None,
            then=target.then,
            to=target.groups,
            fallback=target.fallback,
            reason=reason.text.strip() if isinstance(reason, Scalar) else "",
            when_text=_one_line(when_at),
            unless_text=_one_line(unless_at),
        )

    def _condition(self, node: Node | None, facts: Facts) -> tuple[Tree, Facts] | None:
        """The tree of a `when` or `unless`, and what is known where it holds."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self._note("shape", node, "a condition is an expression", "put it in quotes if it begins with [ or {")
            return None
        if self._schema is None:
            parse(self._scope, node)
            return TRUE, facts
        checked = condition(self._scope, node, facts)
        return None if checked is None else (checked.node, checked.then)

    def _for(self, item: Entries) -> tuple[Facts, tuple[str, ...] | None]:
        node = item.get("for")
        if node is None or self._schema is None:
            return self._scope.facts(), None
        found: list[str] = []
        for one in node.items if isinstance(node, Items) else (node,):
            if not isinstance(one, Scalar):
                self._note("shape", one, "`for` is an action or a list of actions")
            elif one.text not in self._schema.actions:
                self._note(
                    "unknown_action", one, f"no action is called `{one.text}`", nearest(one.text, self._schema.actions)
                )
            elif one.text in found:
                self._note("duplicate_id", one, f"`{one.text}` is named twice")
            else:
                found.append(one.text)
        if not found:
            if isinstance(node, Items) and not node.items:
                self._note("shape", node, "the rule is for no action", "leave `for` out to mean all actions")
            return self._scope.facts(), None
        return self._scope.facts(frozenset(found)), tuple(found)

    def _target(
        self, item: Entries, node: Node | None, to: Node | None, outcomes: tuple[Outcome, ...], key: str
    ) -> _Target | None:
        usage = f"{key}: {' | '.join(outcomes)}"
        if node is None:
            self._report.add("shape", item.index, f"`{key}` is missing", usage)
            return None
        outcome = next((o for o in outcomes if isinstance(node, Scalar) and node.text == o), None)
        if outcome is None:
            word = node.text if isinstance(node, Scalar) else ""
            if word == "allow":
                self._note(
                    "default_allow",
                    node,
                    "the default can never be allow",
                    "write a rule that allows, for what is safe",
                )
            else:
                self._note("unknown_value", node, f"`{word}` is no outcome here", nearest(word, outcomes) or usage)
            return None
        if outcome in ("deny", "allow"):
            if to is not None:
                self._note("shape", to, f"{outcome} leads nowhere", "remove `to`")
            return _Target(outcome, (), None)
        if to is None:
            what = "to: GROUP" if outcome == "escalate" else "to: NAME of a fallback"
            self._note("shape", node, f"{outcome} needs `to`", what)
            return None
        if outcome == "fallback":
            return self._to_fallback(to)
        groups = tuple(
            g for g in (self._group(one) for one in (to.items if isinstance(to, Items) else (to,))) if g is not None
        )
        if isinstance(to, Items) and not to.items:
            self._note("shape", to, "escalate needs somebody", "to: GROUP")
        return _Target("escalate", groups, None) if groups else None

    def _to_fallback(self, node: Node) -> _Target | None:
        if not isinstance(node, Scalar) or NAME.fullmatch(node.text) is None:
            self._note("shape", node, "a fallback is named by one word", "to: NAME")
            return None
        if self._fallbacks is not None and node.text not in self._fallbacks:
            hint = (
                nearest(node.text, self._fallbacks) or "the automation has no fallbacks: write one with @app.fallback"
            )
            self._note("unknown_fallback", node, f"no fallback is called `{node.text}`", hint)
        return _Target("fallback", (), node.text)

    def _group(self, node: Node) -> Group | None:
        approvals = 1
        name = node
        if isinstance(node, Entries):
            only_keys(self._report, node, ("group", "approvals"), "`to`")
            count, name = node.get("approvals"), node.get("group")
            if count is not None:
                if isinstance(count, Scalar) and re.fullmatch(r"[1-9][0-9]?", count.text, re.ASCII):
                    approvals = int(count.text)
                else:
                    self._note("value", count, "`approvals` is a number from 1 to 99")
        if not isinstance(name, Scalar) or _ID.fullmatch(name.text) is None:
            self._note("shape", name or node, "this is no group", "to: GROUP, or to: {group: GROUP, approvals: 2}")
            return None
        known = self._schema.groups if self._schema is not None else None
        if known is not None and name.text not in known:
            self._note("unknown_group", name, f"no group is called `{name.text}`", nearest(name.text, known))
        return Group(name.text, approvals)

    def _default(self) -> Default | None:
        node = self._root.get("default")
        if not isinstance(node, Entries):
            at = node.index if node is not None else self._root.index
            self._report.add(
                "shape", at, "a policy says what holds where no rule does", "default: {verdict: escalate, to: GROUP}"
            )
            return None
        node = prose(self._report, node, "reason", DEFAULT_KEYS)
        only_keys(self._report, node, DEFAULT_KEYS, "default")
        target = self._target(node, node.get("verdict"), node.get("to"), ("deny", "escalate", "fallback"), "verdict")
        reason = node.get("reason")
        if target is None or target.then == "allow":
            return None
        text = reason.text.strip() if isinstance(reason, Scalar) else ""
        return Default(target.then, target.groups, target.fallback, text, self._report.place(node.index)[0])

    def _invariants(self) -> tuple[Invariant, ...]:
        found: list[Invariant] = []
        for key, value in self._named("invariants"):
            if not isinstance(value, Entries):
                self._note("shape", value, "an invariant is a mapping", "{never: allow, for: ACTION, when: ...}")
                continue
            only_keys(self._report, value, ("never", "for", "when"), "an invariant")
            never = value.get("never")
            if not (isinstance(never, Scalar) and never.text == "allow"):
                self._note("shape", never or key, "an invariant says what is never allowed", "write never: allow")
            facts, for_ = self._for(value)
            when_at = value.get("when")
            if when_at is None:
                self._note("shape", key, "an invariant needs `when`", "write when: 'true' for an action never allowed")
            when = self._condition(when_at, facts)
            if when is not None:
                line = self._report.place(key.index)[0]
                found.append(Invariant(key.text, line, for_, when[0], _one_line(when_at)))
        return tuple(found)


def _one_line(node: Node | None) -> str:
    return " ".join(node.text.split()) if isinstance(node, Scalar) else ""


def _article(outcome: Outcome) -> str:
    return f"an {outcome}" if outcome[0] in "aeiou" else f"a {outcome}"
