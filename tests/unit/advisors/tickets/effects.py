from automation import Refund, Reply


@Refund.performer
async def refund(args: Refund, key: str) -> None: ...


@Reply.performer
async def reply(args: Reply, key: str) -> None: ...
