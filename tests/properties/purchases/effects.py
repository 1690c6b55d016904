"""The shop. The tests put an outside of their own in its place."""

from decimal import Decimal

from automation import Bill, Buy, Estimate, Price

from interlock import Advice


@Buy.performer
def buy(args: Buy, key: str) -> Bill:
    return Bill(paid=args.amount)


@Buy.checker
def look(args: Buy, key: str) -> Bill | None:
    return None


@Estimate.advisor("clerk")
def clerk(question: Estimate) -> Advice[Price]:
    return Advice(Price(amount=Decimal(10)), score=1)


@Estimate.advisor("list")
def price_list(question: Estimate) -> Advice[Price]:
    return Advice(Price(amount=Decimal(5)), score=1)
