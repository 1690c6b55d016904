"""A comment is shown when its case says so: there is nothing else to change."""

from automation import Hide, Show


@Show.performer
async def show(args: Show, key: str) -> None:
    """The page asks the case."""


@Hide.performer
async def hide(args: Hide, key: str) -> None:
    """The page asks the case."""
