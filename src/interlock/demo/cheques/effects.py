"""The only file here that touches the world; reducers and replay never import it."""

from __future__ import annotations

from automation import AskCustomer, Hold, Pay, ReleaseHold, ReturnUnpaid, Transfer
from bank import Refusal, bank

from interlock import NotDone


@Pay.performer
async def pay(args: Pay, key: str) -> Transfer:
    try:
        return Transfer(id=await bank().transfer(key, args.cheque, args.amount))
    except Refusal as refusal:
        raise NotDone(str(refusal)) from refusal


@Pay.checker
async def was_paid(args: Pay, key: str) -> Transfer | None:
    found = await bank().find(key)
    return None if found is None else Transfer(id=found)


@Pay.fence
async def make_impossible(args: Pay, key: str) -> None:
    await bank().void(key)


@Hold.performer
async def hold(args: Hold, key: str) -> None:
    await bank().mark(key, args.cheque, "held", args.why)


@ReleaseHold.performer
async def release_hold(args: ReleaseHold, key: str) -> None:
    await bank().mark(key, args.cheque, "released", "")


@ReturnUnpaid.performer
async def return_unpaid(args: ReturnUnpaid, key: str) -> None:
    await bank().mark(key, args.cheque, "returned", args.why)


@AskCustomer.performer
async def ask_customer(args: AskCustomer, key: str) -> None:
    await bank().letter(key, args.cheque, args.why)
