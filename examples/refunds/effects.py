"""What the shop does when it was decided; reducers and replay never import it."""

from automation import Close, Receipt, Refund, Reply, StoreCredit, WithdrawCredit
from shop import shop


@Refund.performer
async def refund(args: Refund, key: str) -> Receipt:
    return Receipt(id=await shop.refund(args.amount, idempotency_key=key))


@StoreCredit.performer
async def credit(args: StoreCredit, key: str) -> Receipt:
    return Receipt(id=await shop.credit(args.amount, idempotency_key=key))


@WithdrawCredit.performer
async def withdraw(args: WithdrawCredit, key: str) -> None:
    await shop.credit(-args.amount, idempotency_key=key)


@Reply.performer
async def reply(args: Reply, key: str) -> None:
    await shop.mail(args.text)


@Close.performer
async def close(args: Close, key: str) -> None:
    """Closing is our own state; there is nothing outside to change."""
