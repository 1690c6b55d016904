"""Effects that take no time."""

from automation import AskCustomer, Hold, Pay, ReleaseHold, ReturnUnpaid, Transfer


@Pay.performer
async def pay(args: Pay, key: str) -> Transfer:
    return Transfer(id=key)


@Pay.checker
async def was_paid(args: Pay, key: str) -> Transfer | None:
    return Transfer(id=key)


@Hold.performer
async def hold(args: Hold, key: str) -> None: ...


@ReleaseHold.performer
async def release_hold(args: ReleaseHold, key: str) -> None: ...


@ReturnUnpaid.performer
async def return_unpaid(args: ReturnUnpaid, key: str) -> None: ...


@AskCustomer.performer
async def ask_customer(args: AskCustomer, key: str) -> None: ...
