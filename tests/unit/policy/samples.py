# ruff: noqa: E501 - policy documents as their authors write them
"""Schemas and documents that the tests of the policy kernel share: the three examples, as their types give them."""

from interlock.policy import (
    ActionSchema,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    Field,
    IntType,
    InvisibleType,
    ListType,
    RecordType,
    Schema,
    StringType,
    TimestampType,
    load,
)
from interlock.policy.policy import Policy

MONEY = DecimalType.of(2, 0, 1_000_000)
NAME = StringType(80)
NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


def record(**fields: Field) -> RecordType:
    return RecordType(fields)


CHEQUES = Schema.standard(
    actions={
        "pay": ActionSchema(record(amount=Field(MONEY)), True),
        "return_unpaid": ActionSchema(record(why=Field(NAME)), True),
        "hold": ActionSchema(record(why=Field(NAME)), False),
        "ask_customer": ActionSchema(record(why=Field(NAME)), False),
    },
    case=record(
        funds=Field(MONEY, optional=True),
        stopped=Field(BoolType(), default=False),
        frozen=Field(BoolType(), default=False),
        box=Field(InvisibleType("a picture: rules cannot see it")),
        weight=Field(InvisibleType("float: use Decimal with bounds")),
    ),
    statuses=("expected", "presented", "held", "paid", "returned"),
    dependencies=("bank",),
)

REFUNDS = Schema.standard(
    actions={
        "refund": ActionSchema(
            record(amount=Field(MONEY), reason=Field(EnumType(("damaged", "late", "wrong_item", "other")))), True
        ),
        "store_credit": ActionSchema(record(amount=Field(MONEY)), False),
        "reply": ActionSchema(record(template=Field(EnumType(("ask_photo", "where_is_it", "sorry")))), False),
        "close": ActionSchema(record(), False),
    },
    case=record(
        order=Field(
            record(id=Field(NAME), total=Field(MONEY), delivered_at=Field(TimestampType(), optional=True)),
            optional=True,
        ),
        refunded=Field(MONEY, default="0.00"),
        chargebacks=Field(IntType(0, 1000), default=0),
        waited=Field(DurationType(0, 10**15), default=0),
        flags=Field(ListType(NAME, 20), default=[]),
    ),
    statuses=("open", "waiting", "refunded", "closed"),
    dependencies=("payments",),
)

CHEQUES_POLICY = """\
policy: cheques
params: {auto_limit: 5000, four_eyes_limit: 50000}
rules:
  - {id: stopped,      for: [pay, hold], when: case.stopped, then: deny, reason: The drawer stopped this cheque.}
  - {id: no_funds,     for: pay, when: proposal.amount > case.funds.orValue(0), then: deny, reason: Not covered.}
  - {id: in_doubt,     when: case.in_doubt > 0, then: escalate, to: operations, reason: An effect has no known outcome.}
  - {id: frozen,       for: [pay, return_unpaid], when: case.frozen, then: escalate, to: compliance, reason: Frozen.}
  - {id: large,        for: pay, when: proposal.amount > four_eyes_limit, then: escalate, to: {group: treasury, approvals: 2}}
  - {id: above_auto,   for: pay, when: proposal.amount > auto_limit, then: escalate, to: clearing, reason: Too large.}
  - {id: disagree,     for: pay, when: advice.agreed < 2, unless: proposal.source == "person", then: escalate, to: clearing}
  - {id: late,         for: pay, when: now - case.first_event_at > 30d, then: fallback, to: ask_again, reason: Stale.}
  - {id: pay_small,    for: pay, when: has(proposal.score), then: allow, reason: Both readers agree, and it is covered.}
  - {id: harmless,     for: [hold, ask_customer], when: 'true', then: allow, reason: Can be undone.}
default: {verdict: escalate, to: clearing}
invariants:
  never_when_stopped: {never: allow, for: pay, when: case.stopped}
  never_unread:       {never: allow, for: pay, when: advice.agreed < 1}
cases:
  base: {proposal: {action: pay, amount: 120, score: 0.98, source: advice}, advice: {agreed: 2}, case: {funds: 500}}
  tests:
    - {name: both agree, expect: allow, by: [pay_small]}
    - {name: one reader, with: {advice.agreed: 1}, expect: "escalate:clearing"}
    - {name: stop wins over all, with: {case.stopped: true, case.frozen: true}, expect: deny, by: [stopped]}
    - {name: both needed, with: {case.frozen: true, proposal.amount: 60000, case.funds: 90000}, expect: "escalate:clearing+compliance+treasury*2"}
    - {name: stale, with: {case.first_event_at: now - 31d}, expect: "fallback:ask_again", by: late}
    - {name: nothing fits, action: return_unpaid, expect: "escalate:clearing", by: [default]}
"""


def cheques() -> Policy:
    return load(CHEQUES_POLICY, schema=CHEQUES, fallbacks=("ask_again",))


def payment(**changes: object) -> dict[str, dict[str, object] | object]:
    """Raw data of a payment that the cheque policy allows; `case__funds="1.00"` changes one value, None removes it."""
    raw: dict[str, dict[str, object]] = {
        "proposal": {
            "action": "pay", "amount": "120.00", "source": "advice", "irreversible": True, "score": "0.980000"
        },
        "case": {
            "status": "presented", "funds": "500.00", "stopped": False, "frozen": False, "in_doubt": 0,
            "first_event_at": NOW, "count": {"pay": 0}, "release": "r1"
        },
        "advice": {"agreed": 2, "rank": 1, "asked": 2},
        "breaker": {"bank": "closed"},
    }  # fmt: skip
    for path, value in changes.items():
        root, _, name = path.partition("__")
        raw[root][name] = value
    return {**raw, "now": NOW}
