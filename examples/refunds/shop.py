"""The shop's systems as this automation sees them: payments, credit and mail. Deduplicates on the key."""

from decimal import Decimal


class Shop:
    def __init__(self) -> None:
        self.refunds: dict[str, Decimal] = {}
        self.credits: dict[str, Decimal] = {}

    async def refund(self, amount: Decimal, idempotency_key: str) -> str:
        self.refunds.setdefault(idempotency_key, amount)
        return f"re_{idempotency_key}"

    async def credit(self, amount: Decimal, idempotency_key: str) -> str:
        self.credits.setdefault(idempotency_key, amount)
        return f"cr_{idempotency_key}"

    async def mail(self, text: str) -> None: ...


shop = Shop()
