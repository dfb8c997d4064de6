"""Lists a server's tools and calls one with the Python SDK mcp 2.x; prints one JSON object.

sdk2.py URL TOOL ARGUMENTS-AS-JSON MODE; MODE is auto, legacy or a revision. The bearer is read from MCP_TOKEN.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, tool: str, arguments: dict, mode: str) -> None:
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=30) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool(tool, arguments)
            print(json.dumps({
                "server": client.server_info.name if client.server_info else None,
                "protocol": client.protocol_version,
                "tools": sorted(each.name for each in tools),
                "error": result.is_error,
                "text": " ".join(part.text for part in result.content if part.type == "text"),
            }))


asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]))
