"""What was right: what the bank would have done had it known the customer's intent as the data set gives it.

One measure for every way of working. It compares what was done and not what was understood: who asked about one kind of
declined payment and got the article on all of them was answered rightly.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, log1p
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from automation import CancelTransfer, Message, RefundFee, explain_transfers, handling, look_for_the_fee
from intents import Intent
from messages import account_of

from interlock import Action

Consequence: TypeAlias = Literal["minor", "money", "security", "final"]
CONSEQUENCES: MappingProxyType[str, Consequence] = MappingProxyType(
    {
        "send_article": "minor",
        "hand_over": "minor",
        "trace_payment": "minor",
        "order_card": "money",
        "refund_fee": "money",
        "open_dispute": "money",
        "cancel_transfer": "money",
        "freeze_card": "security",
        "activate_card": "security",
        "unblock_pin": "security",
        "change_pin": "security",
        "reset_passcode": "security",
        "close_account": "final",
    }
)
"""What a classifier can lead to, with the class of consequence that `@action` gives it."""


class Deed(NamedTuple):
    """Something done: the action's name, and its arguments as plain data."""

    what: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Score:
    """One way of working. `done`: messages acted on without a person; `wrong`: of these, by class of consequence."""

    messages: int
    done: int
    wrong: dict[Consequence, int]

    @property
    def share(self) -> float:
        return self.done / self.messages

    @property
    def mistakes(self) -> int:
        return sum(self.wrong.values())

    @property
    def error(self) -> float:
        """Of what was done, how much was wrong."""
        return self.mistakes / self.done if self.done else 0.0


def deed(action: Action[Any]) -> Deed:
    """An action as the bank's books hold it."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(action).__name__).lower()
    return Deed(name, action.model_dump(mode="json"))


def led_to(number: int, intent: str) -> Deed:
    """What message `number`, understood as this intent, leads to when nobody judges it."""
    return deed(handling(account_of(number), cast("Intent", intent)))


def right(number: int, intent: str) -> list[Deed]:
    """What is right for message `number` of this intent: our action, and its stand-in where it is impossible."""
    account = account_of(number)
    action = handling(account, cast("Intent", intent))
    case = Message(account=account)
    if isinstance(action, CancelTransfer) and account.transfer != "pending":
        return [deed(action), deed(explain_transfers(case, action))]
    if isinstance(action, RefundFee) and action.amount == 0:
        return [deed(action), deed(look_for_the_fee(case, action))]
    return [deed(action)]


def judged(intents: Sequence[str], done: Iterable[tuple[int, Deed]]) -> Score:
    """Judge what was done, by message number, against the data set's intents."""
    wrong: dict[Consequence, int] = dict.fromkeys(("minor", "money", "security", "final"), 0)
    count = 0
    for number, one in done:
        count += 1
        if one not in right(number, intents[number]):
            wrong[CONSEQUENCES[one.what]] += 1
    return Score(len(intents), count, wrong)


def error_at_most(wrong: int, done: int, confidence: float = 0.95) -> float:
    """Upper bound of an error rate of which `wrong` of `done` were seen: Clopper and Pearson (1934), one-sided."""
    if wrong >= done:
        return 1.0
    low, high = wrong / done, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if _at_most(wrong, done, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, done: int, rate: float) -> float:
    """Chance of at most `wrong` errors in `done` tries."""
    return sum(
        exp(
            lgamma(done + 1)
            - lgamma(k + 1)
            - lgamma(done - k + 1)
            + (k * log(rate) if k else 0.0)
            + (done - k) * log1p(-rate)
        )
        for k in range(wrong + 1)
    )
