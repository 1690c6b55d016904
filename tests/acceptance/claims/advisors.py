from __future__ import annotations

from automation import Opinion, Read

from interlock import Advice


@Read.advisor("reader")
async def reader(question: Read) -> Advice[Opinion]:
    if "explode" in question.story:
        raise RuntimeError(f"cannot read {question.story[:60]}")
    return Advice(
        Opinion(kind="water", summary=question.story[:40]),
        score=0.95,
        rationale=f"It says: {question.story[:60]}",
        evidence=(question.story[:30],),
    )
