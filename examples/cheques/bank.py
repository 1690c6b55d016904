"""The bank as this automation sees it. It keeps books by reference; a voided reference can never be used again."""

from decimal import Decimal

from interlock import NotDone


class Bank:
    def __init__(self) -> None:
        self.sent: dict[str, Decimal] = {}
        self.voided: set[str] = set()

    async def transfer(self, amount: Decimal, reference: str) -> str:
        if reference in self.voided:
            raise NotDone(f"{reference} was voided")
        self.sent.setdefault(reference, amount)
        return f"tr_{reference}"

    async def find(self, reference: str) -> str | None:
        return f"tr_{reference}" if reference in self.sent else None

    async def void(self, reference: str) -> None:
        if reference not in self.sent:
            self.voided.add(reference)

    async def mark(self, reference: str, what: str, why: str) -> None: ...

    async def letter(self, reference: str, why: str) -> None: ...


bank = Bank()
