from decimal import Decimal

from automation import Read, Reading, Refund, Reply, Triage

from interlock import Advice


@Triage.advisor("rules")
def rules(question: Triage) -> Advice[Refund | Reply]:
    if "fails" in question.message:
        raise RuntimeError("the rules are broken")
    return Advice(Refund(amount=Decimal(5), reason="late"), score=0.8, usage={"input_tokens": 3})


@Read.advisor("fixed")
def fixed(question: Read) -> Advice[Reading]:
    return Advice(Reading(amount=Decimal(5)), score=0.8)
