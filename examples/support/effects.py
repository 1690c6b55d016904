"""The only file here that touches the world; reducers and replay never import it."""

from automation import (
    ActivateCard,
    CancelTransfer,
    ChangePin,
    CloseAccount,
    FreezeCard,
    HandOver,
    OpenDispute,
    OrderCard,
    RefundFee,
    ResetPasscode,
    SendArticle,
    TracePayment,
    UnblockPin,
    UnfreezeCard,
)
from bank import bank


@SendArticle.performer
async def send_article(args: SendArticle, key: str) -> None:
    await bank.do("send_article", args.model_dump(mode="json"), key)


@HandOver.performer
async def hand_over(args: HandOver, key: str) -> None:
    await bank.do("hand_over", args.model_dump(mode="json"), key)


@TracePayment.performer
async def trace_payment(args: TracePayment, key: str) -> None:
    await bank.do("trace_payment", args.model_dump(mode="json"), key)


@FreezeCard.performer
async def freeze_card(args: FreezeCard, key: str) -> None:
    await bank.do("freeze_card", args.model_dump(mode="json"), key)


@UnfreezeCard.performer
async def unfreeze_card(args: UnfreezeCard, key: str) -> None:
    await bank.do("unfreeze_card", args.model_dump(mode="json"), key)


@ActivateCard.performer
async def activate_card(args: ActivateCard, key: str) -> None:
    await bank.do("activate_card", args.model_dump(mode="json"), key)


@UnblockPin.performer
async def unblock_pin(args: UnblockPin, key: str) -> None:
    await bank.do("unblock_pin", args.model_dump(mode="json"), key)


@ChangePin.performer
async def change_pin(args: ChangePin, key: str) -> None:
    await bank.do("change_pin", args.model_dump(mode="json"), key)


@ResetPasscode.performer
async def reset_passcode(args: ResetPasscode, key: str) -> None:
    await bank.do("reset_passcode", args.model_dump(mode="json"), key)


@OrderCard.performer
async def order_card(args: OrderCard, key: str) -> None:
    await bank.do("order_card", args.model_dump(mode="json"), key)


@RefundFee.performer
async def refund_fee(args: RefundFee, key: str) -> None:
    await bank.do("refund_fee", args.model_dump(mode="json"), key)


@OpenDispute.performer
async def open_dispute(args: OpenDispute, key: str) -> None:
    await bank.do("open_dispute", args.model_dump(mode="json"), key)


@OpenDispute.checker
async def was_opened(args: OpenDispute, key: str) -> bool:
    return await bank.knows(key)


@CancelTransfer.performer
async def cancel_transfer(args: CancelTransfer, key: str) -> None:
    await bank.do("cancel_transfer", args.model_dump(mode="json"), key)


@CancelTransfer.checker
async def was_cancelled(args: CancelTransfer, key: str) -> bool:
    return await bank.knows(key)


@CloseAccount.performer
async def close_account(args: CloseAccount, key: str) -> None:
    await bank.do("close_account", args.model_dump(mode="json"), key)
