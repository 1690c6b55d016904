"""A web shop with two automations in its own process and database: `python shop.py --port 8000 --db shop.db`.

The interlock lives as long as the server: it is opened when the server starts, works on the server's event loop, and
drains when the server stops. Events are request bodies as they are, because both are pydantic models.

Who the user is, comes from the proxy in front of this server (`X-User`); a server that is reached without one must
authenticate by itself, for the interlock holds people to the rules under the name it is given.
"""

import argparse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from comments.automation import Comment, Written
from comments.automation import app as comments_app
from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from refunds.automation import RefundAsked, Ticket
from refunds.automation import app as refunds_app

from interlock import Interlock
from interlock.assembly import Handle
from interlock.vocabulary.errors import Conflict, InterlockBug, InterlockError, NotFound, NotNow, Refused

HERE = Path(__file__).parent


class Shop:
    """The open interlock and its two automations."""

    def __init__(self, interlock: Interlock) -> None:
        self.interlock = interlock
        self.refunds: Handle[Ticket] = interlock.run(refunds_app, HERE / "refunds")
        self.comments: Handle[Comment] = interlock.run(comments_app, HERE / "comments")


class Approval(BaseModel):
    review: str
    group: str


def shop_of(request: Request) -> Shop:
    return request.app.state.shop


TheShop = Annotated[Shop, Depends(shop_of)]
User = Annotated[str, Header(alias="X-User")]
Once = Annotated[str, Header(alias="Idempotency-Key")]


def make_app(database: str | Path) -> FastAPI:
    """The web application; nothing is opened before it starts."""

    @asynccontextmanager
    async def open_while_serving(web: FastAPI) -> AsyncGenerator[None]:
        async with Interlock.open(database) as interlock:
            web.state.shop = Shop(interlock)
            yield

    web = FastAPI(title="shop", lifespan=open_while_serving)
    web.add_exception_handler(InterlockError, explained)
    web.add_api_route("/refunds", ask_refund, methods=["POST"], status_code=202)
    web.add_api_route("/refunds/{ticket}", refund_state, methods=["GET"])
    web.add_api_route("/comments", write_comment, methods=["POST"], status_code=202)
    web.add_api_route("/comments/{comment}", comment_state, methods=["GET"])
    web.add_api_route("/reviews", open_reviews, methods=["GET"])
    web.add_api_route("/reviews/approve", approve, methods=["POST"], status_code=202)
    return web


async def ask_refund(event: RefundAsked, shop: TheShop, user: User, once: Once) -> dict[str, str]:
    """Accepted means durable. The browser may send it again under the same key; it counts once."""
    ticket = await shop.refunds.submit(event, id=once, source="web", principal=user)
    return {"ticket": ticket}


async def refund_state(ticket: str, shop: TheShop) -> dict[str, Any]:
    case = await shop.refunds.case(ticket)
    if case is None:
        raise NotFound(f"Nobody has heard of ticket {ticket}.")
    why = await shop.refunds.explain(case.last_decision) if case.last_decision else ""
    return {"status": case.status, "refunded": str(case.state.refunded), "why": why.partition("\n")[0]}


async def write_comment(event: Written, shop: TheShop, user: User, once: Once) -> dict[str, str]:
    comment = await shop.comments.submit(event, id=once, source="web", principal=user)
    return {"comment": comment}


async def comment_state(comment: str, shop: TheShop) -> dict[str, str]:
    """Shown once it has been decided so: waits a moment for those who have just written."""
    case = await shop.comments.settled(comment, timeout_s=5)
    return {"status": case.status, "text": case.state.text if case.status == "shown" else ""}


async def open_reviews(shop: TheShop) -> list[dict[str, Any]]:
    reviews = [*await shop.refunds.reviews(), *await shop.comments.reviews()]
    return [
        {
            "review": name,
            "action": review.action,
            "arguments": review.args,
            "groups": [group.name for group in review.groups],
        }
        for name, review in reviews
    ]


async def approve(approval: Approval, shop: TheShop, user: User) -> dict[str, str]:
    desk = shop.refunds if approval.review.startswith("refunds/") else shop.comments
    await desk.approve(approval.review, group=approval.group, principal=user)
    return {"approved": approval.review}


async def explained(request: Request, error: Exception) -> JSONResponse:
    """The interlock's refusals as answers: the same stable codes as on the command line."""
    assert isinstance(error, InterlockError)
    kinds: tuple[tuple[type[InterlockError], int], ...] = (
        (NotFound, 404),
        (Conflict, 409),
        (NotNow, 503),
        (Refused, 422),
        (InterlockBug, 500),
    )
    status = next((status for kind, status in kinds if isinstance(error, kind)), 503)
    return JSONResponse(error.to_data(), status)


def main() -> None:
    parser = argparse.ArgumentParser(description="A web shop with two automations in its own process.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--db", default="shop.db")
    given = parser.parse_args()
    uvicorn.run(make_app(given.db), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
