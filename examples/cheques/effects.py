"""The only file here that touches the world; reducers and replay never import it."""

from automation import AskCustomer, Hold, Pay, ReleaseHold, ReturnUnpaid, Transfer
from bank import bank


@Pay.performer
async def pay(args: Pay, key: str) -> Transfer:
    return Transfer(id=await bank.transfer(args.amount, reference=key))


@Pay.checker
async def was_paid(args: Pay, key: str) -> Transfer | None:
    """Asked before any retry: did it happen?"""
    found = await bank.find(reference=key)
    return Transfer(id=found) if found else None


@Pay.fence
async def void(args: Pay, key: str) -> None:
    """An earlier attempt that is still on its way can no longer take effect."""
    await bank.void(reference=key)


@Hold.performer
async def hold(args: Hold, key: str) -> None:
    await bank.mark(key, "held", args.why)


@ReleaseHold.performer
async def release_hold(args: ReleaseHold, key: str) -> None:
    await bank.mark(key, "released", args.why)


@ReturnUnpaid.performer
async def return_unpaid(args: ReturnUnpaid, key: str) -> None:
    await bank.mark(key, "returned", args.why)


@AskCustomer.performer
async def ask_customer(args: AskCustomer, key: str) -> None:
    await bank.letter(key, args.why)
