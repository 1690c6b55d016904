"""Mistakes that users make, one per section. Each `# mNN` line opens one; the type checker must complain within it.

This file is there to be wrong: `test_planted_mistakes.py` runs the type checker on it in strict mode.
"""

from datetime import timedelta
from decimal import Decimal

from automation import Cheque, Hold, HoldExpired, Pay, Presented, ReadAmount, Reading, Status, Transfer, app

from interlock import Action, Advice, Answered, Done, Event, Flow, Requests, action, after, ask, cancel, propose, status


# m01 misspelt state field on write
@app.on
def m01(case: Cheque, event: Presented) -> Requests:
    case.stoped = True


# m02 misspelt field read
@app.on
def m02(case: Cheque, event: Presented) -> Requests:
    case.box = event.picture


# m03 wrong status
@app.on
def m03(case: Cheque, event: Presented) -> Requests:
    case.status = "payed"


# m04 wrong type for a field
@app.on
def m04(case: Cheque, event: Presented) -> Requests:
    case.funds = "12"


# m05 unknown status as key of the flow
F5: Flow[Status] = {"presentd": status(Pay)}
# m06 unknown target
F6: Flow[Status] = {"presented": status(Pay, to=("payed",))}
# m07 not an action in the flow
F7: Flow[Status] = {"presented": status(Presented)}


# m08 action argument of the wrong type
@app.on
def m08(case: Cheque, answer: Answered[ReadAmount]) -> Requests:
    return propose(Pay(amount="12"), because=answer)


# m09 misspelt argument
@app.on
def m09(case: Cheque, answer: Answered[ReadAmount]) -> Requests:
    return propose(Pay(amuont=Decimal(1)), because=answer)


# m10 missing argument
@app.on
def m10(case: Cheque, answer: Answered[ReadAmount]) -> Requests:
    return propose(Pay(), because=answer)


# m11 answer value misread
@app.on
def m11(case: Cheque, answer: Answered[ReadAmount]) -> Requests:
    case.funds = answer.value.total


# m12 result misread
@app.on
def m12(case: Cheque, done: Done[Pay]) -> Requests:
    case.stopped = done.result.number == "1"


# m13 async reducer
@app.on
async def m13(case: Cheque, event: Presented) -> Requests:
    return None


# m14 reducer with a foreign state
@app.on
def m14(case: Reading, event: Presented) -> Requests:
    return None


# m15 second parameter is not a message
@app.on
def m15(case: Cheque, event: Transfer) -> Requests:
    return None


# m16 reducer returns the state (habit from Redux)
@app.on
def m16(case: Cheque, event: Presented):
    return case


# m17 performer returns the wrong type
@Pay.performer
async def m17(args: Pay, key: str) -> Reading:
    return Reading(amount=Decimal(1))


# m18 a plain performer returns the wrong type
@Pay.performer
def m18(args: Pay, key: str) -> Reading:
    return Reading(amount=Decimal(1))


# m19 performer for another action
@Pay.performer
async def m19(args: Hold, key: str) -> Transfer:
    return Transfer(id=key)


# m20 advisor answers with another type
@ReadAmount.advisor("x")
async def m20(question: ReadAmount) -> Advice[Transfer]:
    return Advice(Transfer(id="x"), score=1.0)


# m21 asks something that is not a question
@app.on
def m21(case: Cheque, event: Presented) -> Requests:
    return ask(Reading(amount=Decimal(1)))


# m22 proposal without a reason
@app.on
def m22(case: Cheque, event: Presented) -> Requests:
    return propose(Hold(why="x"))


# m23 unknown kind of action
@action(reversible=True, kind="chekable", undo="nothing")
class M23(Action[None]):
    reason: str


# m24 reads an optional without a check
@app.on
def m24(case: Cheque, event: Presented) -> Requests:
    case.stopped = case.box.digest == ""


# m25 writes to an event (a fact)
@app.on
def m25(case: Cheque, event: Presented) -> Requests:
    event.cheque = "y"


# m26 timer with a number
@app.on
def m26(case: Cheque, event: Presented) -> Requests:
    return after(60, HoldExpired())


# m27 reversible without its undo
@action(reversible=True, kind="once")
class M27(Action[None]):
    reason: str


# m28 irreversible with an undo
@action(reversible=False, kind="once", undo="nothing")
class M28(Action[None]):
    reason: str


# m29 a timer where an event is needed
@app.on
def m29(case: Cheque, event: Presented) -> Requests:
    return cancel(Presented)


# m30 a checker that answers with something else
@Pay.checker
async def m30(args: Pay, key: str) -> str:
    return key


# m31 a misspelt name of the library
from interlock import Acton  # noqa: E402

M31 = Acton


# m32 unfinished request
@app.on
def m32(case: Cheque, event: Presented) -> Requests:
    return after(timedelta(days=1), HoldExpired)


# m33 the key is missing where the event is made
m33: Event = Presented()
