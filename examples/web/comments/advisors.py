"""Who judges a comment: a list of words stands in for a model here."""

from automation import Judge, Opinion

from interlock import Advice

BAD = ("idiot", "scam", "http://")


@Judge.advisor("words")
async def words(question: Judge) -> Advice[Opinion]:
    found = [word for word in BAD if word in question.text.lower()]
    return Advice(Opinion(fit=not found), score=0.95 if len(question.text) < 200 else 0.5, rationale=", ".join(found))
