"""Lists a server's tools and calls one with the Python SDK mcp 1.x; prints one JSON object.

sdk1.py URL TOOL ARGUMENTS-AS-JSON; the bearer is read from MCP_TOKEN.
"""

import asyncio
import json
import os
import sys

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, tool: str, arguments: dict) -> None:
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:
        async with streamable_http_client(url, http_client=http) as (read, write, *_):
            async with ClientSession(read, write) as session:
                hello = await session.initialize()
                tools = (await session.list_tools()).tools
                result = await session.call_tool(tool, arguments)
    print(json.dumps({
        "server": hello.serverInfo.name,
        "protocol": hello.protocolVersion,
        "tools": sorted(each.name for each in tools),
        "error": result.isError,
        "text": " ".join(part.text for part in result.content if part.type == "text"),
    }))


asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
