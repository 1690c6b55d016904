"""The last advisor of the chain: plain rules. The chat models need no code, only release.toml and a prompt."""

from decimal import Decimal

from automation import Close, Refund, Reply, StoreCredit, Triage

from interlock import Advice


@Triage.advisor("rules")
def rules(question: Triage) -> Advice[Refund | StoreCredit | Reply | Close]:
    if "broken" in question.message.lower() and question.photo is None:
        return Advice(Reply(template="ask_photo", text="Could you send us a photo?"), score=0.99)
    left = max(question.order.total - question.refunded, Decimal(0))
    return Advice(Refund(amount=left, reason="other"), score=0.5)
