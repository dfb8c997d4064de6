"""The Python SDK mcp 1.x, for a plan: `python1.py PLAN`."""

import os
from contextlib import asynccontextmanager

import anyio
import httpx
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

import plan


class Session:
    def __init__(self, session: ClientSession, hello: types.InitializeResult) -> None:
        self.session, self.server, self.protocol = session, hello.serverInfo.name, hello.protocolVersion

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, tool: str, arguments: dict, on_progress) -> tuple[bool, list[str]]:
        # This SDK numbers its requests and tells nobody; giving a call up is left to the caller, who needs the number.
        number = self.session._request_id
        try:
            result = await self.session.call_tool(tool, arguments, progress_callback=on_progress)
        except anyio.get_cancelled_exc_class():
            params = types.CancelledNotificationParams(requestId=number, reason="given up")
            with anyio.CancelScope(shield=True):
                given_up = types.CancelledNotification(params=params)
                await self.session.send_notification(types.ClientNotification(given_up))
            raise
        return bool(result.isError), [part.text for part in result.content if part.type == "text"]


@asynccontextmanager
async def transport(plan: dict):
    if "command" in plan:
        program, *arguments = plan["command"]
        async with stdio_client(StdioServerParameters(command=program, args=arguments, env=dict(os.environ))) as pipes:
            yield pipes
    else:
        headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
        async with httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(30, read=120)) as http:
            async with streamable_http_client(plan["url"], http_client=http) as streams:
                yield streams


@asynccontextmanager
async def client(plan: dict, marker: str):
    async def sample(context, params) -> types.CreateMessageResult:
        said = types.TextContent(type="text", text=f"{marker} sampled")
        return types.CreateMessageResult(role="assistant", content=said, model="none")

    async def elicit(context, params) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": f"{marker} elicited"})

    async def roots(context) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri=f"file:///{marker}-root", name=marker)])

    async with transport(plan) as (read, write, *_):
        answers = {"sampling_callback": sample, "elicitation_callback": elicit, "list_roots_callback": roots}
        async with ClientSession(read, write, **answers) as session:
            yield Session(session, await session.initialize())


if __name__ == "__main__":
    plan.main(client)
