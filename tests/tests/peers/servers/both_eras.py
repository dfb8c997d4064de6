"""An MCP server for both eras, written with the Python SDK mcp 2.x as its users write theirs.

The published servers speak only the revisions before 2026-07-28, so this one stands in for those to come.
"""

from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp_types import CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

mcp = MCPServer("both-eras", log_level="ERROR")


class Name(BaseModel):
    name: str


def asked_name(prompt: str) -> Elicit[Name]:
    return Elicit(f"Your name, for {prompt}?", Name)


def sampled(prompt: str) -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text=prompt))], max_tokens=100)


def roots() -> ListRoots:
    return ListRoots()


@mcp.tool(structured_output=False)
def echo(message: str) -> str:
    """Says it back."""
    return message


@mcp.tool(structured_output=False)
async def steps(count: int, pause_ms: int, ctx: Context) -> str:
    """Takes its steps one by one and tells of each."""
    for step in range(1, count + 1):
        await anyio.sleep(pause_ms / 1000)
        await ctx.report_progress(step, count)
    return f"{count} steps done"


@mcp.tool(structured_output=False)
def ask(
    prompt: str,
    name: Annotated[Name, Resolve(asked_name)],
    answer: Annotated[CreateMessageResult, Resolve(sampled)],
    folders: Annotated[ListRootsResult, Resolve(roots)],
) -> str:
    """Asks the client's user, its model, and for its folders."""
    said = answer.content.text if answer.content.type == "text" else answer.content.type
    return f"name {name.name}; model {said}; roots {' '.join(str(root.uri) for root in folders.roots)}"


if __name__ == "__main__":
    mcp.run()
