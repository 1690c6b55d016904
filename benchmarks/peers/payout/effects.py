"""The provider that every peer pays through. It can be asked, and it can be told to refuse a key for ever."""

from automation import Pay, Transfer

from benchmarks.peers.outside import world


@Pay.performer
async def pay(args: Pay, key: str) -> Transfer:
    return Transfer(id=await world().pay(args.case, int(args.amount * 100), key))


@Pay.checker
def was_paid(args: Pay, key: str) -> Transfer | None:
    return Transfer(id=f"t-{key}") if world().was_paid(key) else None


@Pay.fence
def refuse(args: Pay, key: str) -> None:
    world().make_void(key)
