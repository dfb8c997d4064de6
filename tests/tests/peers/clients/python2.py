"""The Python SDK mcp 2.x, for a plan: `python2.py PLAN`. Its mode is auto, legacy or a revision."""

import os
import warnings
from contextlib import asynccontextmanager

import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning

import plan

# Sampling and roots are deprecated by 2026-07-28, and are asked for here all the same.
warnings.simplefilter("ignore", MCPDeprecationWarning)


class Session:
    def __init__(self, client: Client) -> None:
        self.client, self.protocol = client, client.protocol_version
        self.server = client.server_info.name if client.server_info else None

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, arguments: dict, on_progress) -> tuple[bool, list[str]]:
        result = await self.client.call_tool(tool, arguments, progress_callback=on_progress)
        return bool(result.is_error), [part.text for part in result.content if part.type == "text"]


@asynccontextmanager
async def transport(plan: dict):
    if "command" in plan:
        program, *arguments = plan["command"]
        yield StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
    else:
        headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
        async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=120)) as http:
            # By itself this SDK takes no event of more than 1 MiB.
            yield streamable_http_client(plan["url"], http_client=http, max_sse_event_size=None)


@asynccontextmanager
async def client(plan: dict, marker: str):
    async def sample(context, params) -> types.CreateMessageResult:
        said = types.TextContent(type="text", text=f"{marker} sampled")
        return types.CreateMessageResult(role="assistant", content=said, model="none")

    async def elicit(context, params) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": f"{marker} elicited"})

    async def roots(context) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri=f"file:///{marker}-root", name=marker)])

    answers = {"sampling_callback": sample, "elicitation_callback": elicit, "list_roots_callback": roots}
    async with transport(plan) as target:
        async with Client(target, mode=plan["mode"], read_timeout_seconds=120, **answers) as connected:
            yield Session(connected)


if __name__ == "__main__":
    plan.main(client)
