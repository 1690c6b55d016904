"""The till as the shop sees it: a file with a line per refund, which counts one reference once."""

import os
from pathlib import Path

BOOKS = Path(os.environ.get("SHOP_BOOKS", "books.txt"))


def pay_out(amount: str, reference: str) -> None:
    known = BOOKS.read_text().splitlines() if BOOKS.exists() else []
    if all(line.split()[0] != reference for line in known):
        with BOOKS.open("a") as books:
            books.write(f"{reference} {amount}\n")
