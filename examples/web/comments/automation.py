"""Comments below the shop's products: an advisor says whether one is fit to be shown; the interlock decides."""

from typing import Literal

from pydantic import BaseModel

from interlock import (
    Action,
    Answered,
    Automation,
    Case,
    Done,
    Event,
    Flow,
    Name,
    Question,
    Requests,
    Sensitive,
    Unanswered,
    action,
    ask,
    flag,
    propose,
    status,
)

Status = Literal["new", "waiting", "shown", "hidden"]


class Comment(Case):
    status: Status = "new"
    text: Sensitive[str] = ""


class Written(Event, opens=True):
    comment: Name
    text: Sensitive[str]


class Opinion(BaseModel):
    fit: bool


class Judge(Question[Opinion]):
    text: Sensitive[str]


@action(reversible=True, kind="idempotent", undo="nothing")
class Hide(Action[None]): ...


@action(reversible=True, kind="idempotent", undo=Hide)
class Show(Action[None]): ...


FLOW: Flow[Status] = {
    "new": status(to=("waiting",)),
    "waiting": status(Show, Hide, to=("shown", "hidden")),
    "shown": status(Hide, to=("hidden",)),
    "hidden": status(Show, to=("shown",)),
}
app = Automation("comments", case=Comment, key="comment", flow=FLOW)


@app.on
def written(case: Comment, event: Written) -> Requests:
    if case.status != "new":
        return flag("Written again.")
    case.status, case.text = "waiting", event.text
    return ask(Judge(text=event.text))


@app.on
def judged(case: Comment, answer: Answered[Judge]) -> Requests:
    return propose(Show() if answer.value.fit else Hide(), because=answer)


@app.on
def nobody(case: Comment, silence: Unanswered[Judge]) -> Requests:
    return propose(Hide(), because=silence)


@app.on
def shown(case: Comment, done: Done[Show]) -> Requests:
    case.status = "shown"
    return None


@app.on
def hidden(case: Comment, done: Done[Hide]) -> Requests:
    case.status = "hidden"
    return None
