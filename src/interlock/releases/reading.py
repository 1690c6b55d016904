"""From the text of release.toml to a `ReleaseSpec`, against the definition it is for. Every mistake is found in one
reading.

Amounts become integers of their argument's own scale here, once: nothing after this multiplies money by a power of ten.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from interlock.automation.definition import Definition, snake
from interlock.policy.schema import DecimalType, Field, IntType, RecordType, Schema
from interlock.releases.advisors import plain, read_advisors
from interlock.releases.budgets import read_budget
from interlock.releases.reviewing import read_reviews
from interlock.releases.spec import AdvisorSpec, CellSpec, EffectSpec, ReleaseSpec
from interlock.releases.tables import Document, Table, nearest
from interlock.vocabulary import canonical
from interlock.vocabulary.errors import Problem
from interlock.vocabulary.limits import (
    ADVICE_TIMEOUT_MS,
    EFFECT_CONCURRENCY,
    EFFECT_TIMEOUT_MS,
    ORPHAN_AFTER_MS,
)
from interlock.vocabulary.release import BudgetSpec, Certificate, QuestionSpec

FILE = "release.toml"


def read_release(
    text: str, definition: Definition, schema: Schema, *, file: str = FILE
) -> tuple[ReleaseSpec, list[Problem]]:
    """The spec, and everything that is wrong with it.

    `schema` is the policy schema: paths of budgets and certificates are checked against it.
    """
    document = Document(text, file)
    reader = _Reader(definition, schema, document.root)
    return reader.read(), document.problems


class _Reader:
    def __init__(self, definition: Definition, schema: Schema, root: Table) -> None:
        self.definition = definition
        self.schema = schema
        self.root = root

    def read(self) -> ReleaseSpec:
        root = self.root
        questions = self._questions(root.table("questions"))
        advisors = read_advisors(root.table("advisors"), questions, self.definition)
        effects = self._effects(root.table("effects"))
        cells, certificates, off = self._autonomy(root.table("autonomy"))
        mcp = root.table("mcp")
        spec = ReleaseSpec(
            questions=questions,
            advisors=advisors,
            effects=effects,
            budgets=self._budgets(root.table("budgets"), advisors),
            certificates=certificates,
            cells=cells,
            autonomy_off=off,
            reviews=read_reviews(root.table("reviews"), self.definition),
            breakers=self._breakers(advisors, effects),
            mcp=plain(mcp.data),
            gateway_actions=self._gateway(mcp),
            orphan_after=root.duration("orphan_after", ORPHAN_AFTER_MS * 1000) or ORPHAN_AFTER_MS * 1000,
        )
        root.done()
        return spec

    # --- who is asked -------------------------------------------------------------------------------------------------

    def _questions(self, table: Table) -> dict[str, QuestionSpec]:
        specs: dict[str, QuestionSpec] = {}
        for name in table.names():
            one = table.table(name)
            if name not in self.definition.questions:
                one.note(None, f"there is no question {name}.", nearest(name, self.definition.questions))
                continue
            chain = one.texts("chain")
            if not chain:
                one.note(None, "nobody is asked.", 'Write chain = ["advisor", ...]: the first that answers leads.')
            specs[name] = QuestionSpec(
                name,
                chain,
                one.texts("also"),
                one.duration("timeout", ADVICE_TIMEOUT_MS * 1000) or ADVICE_TIMEOUT_MS * 1000,
                one.integer("retries", 0, most=10),
            )
            one.done()
        for name in self.definition.questions:
            if not table.has(name):
                self.root.document.note(
                    ("questions",),
                    f"question {name} has no advisor in the release.",
                    f'Add [questions.{name}] with chain = ["advisor"].',
                )
        return specs

    # --- what runs how ------------------------------------------------------------------------------------------------

    def _effects(self, table: Table) -> dict[str, EffectSpec]:
        specs = {name: EffectSpec(name, f"action:{name}") for name in self.definition.actions}
        for key in table.names():
            one = table.table(key)
            name = self._action(one, key)
            if name is None:
                continue
            specs[name] = EffectSpec(
                name,
                one.text("dependency", f"action:{name}"),
                one.integer("concurrency", EFFECT_CONCURRENCY, least=1, most=10_000),
                one.duration("timeout", EFFECT_TIMEOUT_MS * 1000) or EFFECT_TIMEOUT_MS * 1000,
            )
            one.done()
        shared: dict[str, EffectSpec] = {}
        for name, effect in specs.items():
            other = shared.setdefault(effect.dependency, effect)
            if other.concurrency != effect.concurrency:
                self.root.document.note(
                    ("effects", name, "concurrency"),
                    f"{other.action} and {name} share the dependency {effect.dependency!r} but not its concurrency.",
                    "It is one outside system: write the same number for both.",
                )
        return specs

    def _breakers(self, advisors: Mapping[str, AdvisorSpec], effects: Mapping[str, EffectSpec]) -> dict[str, str]:
        breakers: dict[str, str] = {}
        named = [(name, f"advisor:{name}", ("advisors", name)) for name in advisors]
        named += [
            (effect.label, effect.dependency, ("effects", name, "dependency")) for name, effect in effects.items()
        ]
        for label, dependency, path in named:
            if breakers.get(label, dependency) != dependency:
                self.root.document.note(
                    path,
                    f"two dependencies are called {label!r}: {breakers[label]} and {dependency}.",
                    "Name one of them in [effects.NAME] dependency.",
                )
            breakers[label] = dependency
        return breakers

    def _action(self, table: Table, name: str, key: str | None = None) -> str | None:
        """The action of this name, in either spelling; None with a problem."""
        for known in (name, snake(name)):
            if known in self.definition.actions:
                return known
        table.note(key, f"there is no action {name}.", nearest(name, self.definition.actions))
        return None

    def _gateway(self, mcp: Table) -> frozenset[str]:
        tools = mcp.table("tools")
        found: set[str] = set()
        for tool in tools.names():
            one = tools.table(tool)
            name = one.text("action", tool)
            action = self._action(one, name)
            if action is not None:
                found.add(action)
        return frozenset(found)

    # --- what may run alone -------------------------------------------------------------------------------------------

    def _autonomy(self, table: Table) -> tuple[dict[str, CellSpec], dict[str, tuple[Certificate, ...]], frozenset[str]]:
        off: set[str] = set()
        for key in table.texts("off"):
            name = self._action(table, key, "off")
            if name is None:
                continue
            if not self.definition.actions[name].spec.reversible:
                table.note(
                    "off",
                    f"{name} is irreversible: its autonomy cannot be off.",
                    "Leave it out; it needs a certificate or a person.",
                )
            off.add(name)
        cells: dict[str, CellSpec] = {}
        certificates: dict[str, tuple[Certificate, ...]] = {}
        for key in table.names():
            if key == "off":
                continue
            one = table.table(key)
            name = self._action(one, key)
            if name is None:
                continue
            if name in off:
                one.note(None, f"{name} is in `off` as well.", "Keep one of the two.")
            if self.definition.actions[name].spec.consequence == "final":
                one.note(None, f"{name} is of class final and never runs without a person.", "Remove the table.")
            cells[name] = CellSpec(
                name, one.share("error_max"), one.share("risk"), one.share("audit"), one.text("owner")
            )
            vouched = [found for row in one.tables("vouched") if (found := self._vouched(row, name)) is not None]
            if vouched:
                certificates[name] = tuple(sorted(vouched, key=_strictness))
            one.done()
        table.done()
        return cells, certificates, frozenset(off)

    def _vouched(self, row: Table, action: str) -> Certificate | None:
        by, reason, until = row.text("by"), row.text("reason"), row.moment("until")
        for key, value in (("by", by), ("reason", reason), ("until", until)):
            if not value:
                row.note(None, f"a vouched certificate needs `{key}`.", "It names its owner, its reason and its end.")
        rung, most = row.share("rung"), row.number("max")
        path = row.text("amount", "proposal.amount")
        scale, amount = 0, None
        if most is not None:
            field = self._find(path, action)
            found = _scale(field)
            if found is None:
                row.note(
                    "amount" if row.has("amount") else "max",
                    f"{path} is no bounded number of {action}.",
                    'Name the amount: amount = "proposal.FIELD".',
                )
            else:
                scale = found
                amount = self._units(row, "max", most, scale)
        row.done()
        if not (by and reason and until):
            return None
        terms = [action, rung, amount, path, scale, by, reason, until]
        return Certificate(
            id=f"vouched:{action}:{canonical.short(terms)[:8]}",
            action=action,
            kind="vouched",
            by=by,
            reason=reason,
            until=until,
            rung=rung,
            amount=amount,
            amount_path=path,
            scale=scale,
        )

    # --- what may not be exceeded -------------------------------------------------------------------------------------

    def _budgets(self, table: Table, advisors: Mapping[str, AdvisorSpec]) -> tuple[BudgetSpec, ...]:
        found: list[BudgetSpec] = []
        for name in table.names():
            one = table.table(name)
            budget = read_budget(one, name, self.definition, self.schema, advisors, self._action)
            if budget is not None:
                found.append(budget)
        return tuple(sorted(found, key=lambda budget: budget.name))

    def _units(self, table: Table, key: str, value: Decimal, scale: int) -> int:
        units = value.scaleb(scale)
        if units != units.to_integral_value():
            table.note(key, f"`{key}` has more than {scale} decimal places.", "Its argument has no more.")
        return int(units)

    # --- paths --------------------------------------------------------------------------------------------------------

    def _find(self, path: str, action: str) -> Field | None:
        """The field that a dotted path names for one action."""
        if action not in self.schema.actions:
            return None
        root, _, rest = path.partition(".")
        field = self.schema.roots(action).get(root)
        for step in rest.split(".") if rest else ():
            if field is None or not isinstance(field.type, RecordType):
                return None
            field = field.type.fields.get(step)
        return field


def _scale(field: Field | None) -> int | None:
    match field:
        case Field(type=DecimalType(scale=scale)):
            return scale
        case Field(type=IntType()):
            return 0
        case _:
            return None


def _strictness(certificate: Certificate) -> tuple[int, int, int, str]:
    """Highest rung first, then the smallest amount, then the earliest end."""
    rung = -1 if certificate.rung is None else certificate.rung
    amount = 10**30 if certificate.amount is None else certificate.amount
    return (-rung, amount, certificate.until, certificate.id)
