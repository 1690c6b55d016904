"""The advisor that every peer asks."""

from decimal import Decimal

from automation import Assess, Suggestion

from benchmarks.peers.outside import world
from interlock import Advice


@Assess.advisor("stub")
async def stub(question: Assess) -> Advice[Suggestion]:
    advice = await world().advise(question.case, question.customer)
    suggestion = Suggestion(amount=Decimal(advice.amount_cents) / 100)
    return Advice(suggestion, score=advice.score_per_mille / 1000, rationale=advice.rationale)
