"""Paging is ours; the other actions are tools of an MCP server, which the gateway calls (release.toml, [mcp.tools])."""

from automation import PageOnCall


@PageOnCall.performer
async def page(args: PageOnCall, key: str) -> None:
    """Give the page to whatever wakes people; the key keeps it from ringing twice."""
