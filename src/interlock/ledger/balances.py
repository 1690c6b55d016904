"""What budgets have left: free, held, spent and overrun, per account, and by whom.

Figures are read from the accounts' records, so they are those that the next reservation is judged against. Who holds
capacity stands in the record as well; who has spent it is read from the account's own entries, because an account
remembers sums and the ledger remembers everything.

Limits are those of the automation's newest release. An account whose budget has left the release has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from interlock.kernel import windows
from interlock.kernel.accounts import used
from interlock.ledger.reading import backwards
from interlock.ledger.recorded import Recorded, Releases
from interlock.ledger.words import iso
from interlock.ports import Store
from interlock.vocabulary.case import CaseRecord
from interlock.vocabulary.events import ReserveBody, SettleBody
from interlock.vocabulary.ids import BUDGETS, CaseId
from interlock.vocabulary.limits import BUDGET_BUCKETS
from interlock.vocabulary.release import BudgetSpec

READ_AT_ONCE = 1_000
NO_KEY = "%"
"""How the name of an account writes a key that is not there."""


@dataclass(frozen=True)
class Share:
    """What one command holds of an account, or has spent of it. `what`: the action or the advisor, and how it stands.

    `at`: when it was reserved or charged (microseconds), None where that is not known.
    """

    case: str
    command: str
    amount: Decimal
    what: str = ""
    at: int | None = None

    def to_data(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "command": self.command,
            "amount": str(self.amount),
            "what": self.what,
            "at": None if self.at is None else iso(self.at),
        }


@dataclass(frozen=True)
class Balance:
    """One account. Amounts in the budget's own unit; `auto` and `hard` None where no release in force has the budget.

    free         what a decision without a person may still take; free_hard: with a person's approval
    present      whether its window is the one that decisions of now are charged to
    ends         when the window ends (microseconds); None where it does not
    held_by      who holds; waiting: commands that want to be told when there is room
    spent_by     who has spent, the newest first, where that was asked for
    """

    automation: str
    budget: str
    key: str
    window: str
    account: str
    present: bool
    auto: Decimal | None
    hard: Decimal | None
    spent: Decimal
    held: Decimal
    overrun: Decimal
    currency: str = ""
    ends: int | None = None
    held_by: tuple[Share, ...] = ()
    waiting: tuple[Share, ...] = ()
    spent_by: tuple[Share, ...] | None = None

    @property
    def free(self) -> Decimal | None:
        return None if self.auto is None else max(Decimal(0), self.auto - self.spent - self.held)

    @property
    def free_hard(self) -> Decimal | None:
        return None if self.hard is None else max(Decimal(0), self.hard - self.spent - self.held)

    def to_data(self) -> dict[str, Any]:
        def text(amount: Decimal | None) -> str | None:
            return None if amount is None else str(amount)

        return {
            "automation": self.automation,
            "budget": self.budget,
            "key": self.key,
            "window": self.window,
            "account": f"{BUDGETS}/{self.account}",
            "present": self.present,
            "ends": None if self.ends is None else iso(self.ends),
            "currency": self.currency,
            "max": text(self.auto),
            "hard": text(self.hard),
            "free": text(self.free),
            "free_with_approval": text(self.free_hard),
            "held": str(self.held),
            "spent": str(self.spent),
            "overrun": str(self.overrun),
            "held_by": [one.to_data() for one in self.held_by],
            "waiting": [one.to_data() for one in self.waiting],
            "spent_by": None if self.spent_by is None else [one.to_data() for one in self.spent_by],
        }


@dataclass
class _Books:
    """The store, and the budgets of each automation's newest release."""

    store: Store
    now: int
    specs: dict[tuple[str, str], BudgetSpec] = field(default_factory=dict[tuple[str, str], BudgetSpec])
    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


def balances(
    store: Store,
    *,
    now: int,
    automation: str | None = None,
    budget: str | None = None,
    key: str | None = None,
    past: bool = False,
    charges: int = 0,
) -> list[Balance]:
    """The accounts of now, in order of automation, budget, key and window: those in whose window `now` lies, and older
    ones that still hold something.

    automation, budget, key   only these; past: also accounts of windows that are over
    charges                   how many charges to name per account, the newest first; 0 names none
    """
    books = _Books(store, now, _specs(store))
    found: list[Balance] = []
    for record in _accounts(store):
        one = _balance(books, record, charges)
        if (
            (automation or one.automation) == one.automation
            and (budget or one.budget) == one.budget
            and (one.key if key is None else key) == one.key
            and (past or one.present or one.held_by or one.waiting)
        ):
            found.append(one)
        if one.present:
            books.seen.add((one.automation, one.budget))
    for (of, name), spec in books.specs.items():
        untouched = not spec.by and (of, name) not in books.seen and not key
        if untouched and (automation or of) == of and (budget or name) == name:
            found.append(_untouched(of, spec, now, charges))
    return sorted(found, key=lambda one: (one.automation, one.budget, one.key, one.window))


def known_budgets(store: Store) -> list[str]:
    """Names of the budgets of all automations' newest releases."""
    return sorted({name for _, name in _specs(store)})


def _specs(store: Store) -> dict[tuple[str, str], BudgetSpec]:
    newest: dict[str, tuple[int, str]] = {}
    for id, automation, at in store.releases():
        newest[automation] = max(newest.get(automation, (-1, "")), (at, id))
    releases = Releases(store)
    found: dict[tuple[str, str], BudgetSpec] = {}
    for automation, (_, id) in newest.items():
        release = releases.get(id)
        if isinstance(release, Recorded):
            found.update({(automation, spec.name): spec for spec in release.program.budgets})
    return found


def _accounts(store: Store) -> Iterator[CaseRecord]:
    after: CaseId | None = None
    while page := store.cases(automation=BUDGETS, status=None, after=after, limit=READ_AT_ONCE):
        yield from page
        after = page[-1].case


def _untouched(automation: str, spec: BudgetSpec, now: int, charges: int) -> Balance:
    name = windows.window(spec, now)
    zero = Decimal(0).scaleb(-spec.scale)
    return Balance(
        automation,
        spec.name,
        "",
        name,
        "|".join((automation, spec.name, "", name)),
        True,
        Decimal(spec.auto).scaleb(-spec.scale),
        Decimal(spec.hard).scaleb(-spec.scale),
        zero,
        zero,
        zero,
        spec.currency,
        windows.ends(spec, now),
        spent_by=() if charges else None,
    )


def _balance(books: _Books, record: CaseRecord, charges: int) -> Balance:
    automation, budget, rest = record.key.split("|", 2)
    key, _, window = rest.rpartition("|")
    spec = books.specs.get((automation, budget))
    state = record.state
    present = spec is not None and window == windows.window(spec, books.now)
    scale: int = state.get("scale", spec.scale if spec else 0)

    def amount(units: int) -> Decimal:
        return Decimal(units).scaleb(-scale)

    bucket = windows.bucket(spec, books.now)[0] if spec and present and spec.per == "rolling" else None
    return Balance(
        automation,
        budget,
        _plain_key(key),
        window,
        record.key,
        present,
        Decimal(spec.auto).scaleb(-spec.scale) if spec else None,
        Decimal(spec.hard).scaleb(-spec.scale) if spec else None,
        amount(used(state, bucket)),
        amount(state["held_sum"]),
        amount(state["overrun"]),
        spec.currency if spec else "",
        windows.ends(spec, books.now) if spec and present else None,
        tuple(_share(books.store, name, amount(units)) for name, (units, _) in state["held"].items()),
        tuple(_share(books.store, name, amount(row[0])) for name, row in state.get("waiting", {}).items()),
        tuple(_charges(books.store, record, scale, bucket, charges)) if charges else None,
    )


def _plain_key(key: str) -> str:
    """The key as its values read, those of several apart from each other by a slash."""
    return "/".join("" if part == NO_KEY else unquote(part) for part in key.split("/"))


def _parts(reservation: str) -> tuple[CaseId, str]:
    """Case and local command of a reservation's name: automation/key/local@version/budget."""
    full, _, _ = reservation.rpartition("@")
    automation, _, rest = full.partition("/")
    key, _, local = rest.rpartition("/")
    return CaseId(automation, key), local


def _share(store: Store, reservation: str, amount: Decimal) -> Share:
    case, local = _parts(reservation)
    record = store.case(case)
    what = at = None
    if record is not None:
        effect = record.effects.get(local)
        if effect is not None:
            what, at = f"{effect.action}, {effect.status.replace('_', ' ')}", effect.decided_at
        for question in record.questions.values():
            for advisor, asked in question.asked.items():
                if asked.command == local:
                    what = f"asks {advisor}"
    return Share(str(case), f"{case}/{local}", amount, what or "", at)


def _charges(store: Store, record: CaseRecord, scale: int, bucket: int | None, limit: int) -> Iterator[Share]:
    """The newest charges of an account. Of a rolling window, those that still count at this bucket."""
    counted: dict[str, Share] = {}
    left = limit
    for entry in backwards(store, record.case):
        if not left:
            return
        body = entry.cause.body if entry.cause else None
        if isinstance(body, SettleBody) and body.charged:
            case, local = _parts(body.reservation)
            amount = Decimal(body.charged).scaleb(-(scale if body.scale is None else body.scale))
            share = Share(str(case), f"{case}/{local}", amount, at=entry.at)
            if bucket is None:
                left -= 1
                yield share
            else:
                counted[body.reservation] = share
        elif isinstance(body, ReserveBody) and bucket is not None and body.reservation in counted:
            # The bucket of a charge is that of its reservation, which stands further back.
            share = counted.pop(body.reservation)
            if body.bucket >= bucket - BUDGET_BUCKETS:
                left -= 1
                yield share
