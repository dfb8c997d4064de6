"""A session with an MCP server over Streamable HTTP, with whichever of the Python SDKs mcp 1.x and 2.x is installed.

The bearer is read from MCP_TOKEN. Both generations list tools and call them by the same methods.
"""

import os
from contextlib import asynccontextmanager

import mcp
from mcp.client.streamable_http import streamable_http_client

try:
    import httpx2 as httpx
except ImportError:
    import httpx

PATIENCE = 60


@asynccontextmanager
async def connected(url: str, on_request=None):
    """Yields the session. on_request is told of every HTTP request that is sent."""
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    hooks = {"request": [on_request] if on_request else []}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE, event_hooks=hooks) as http:
        transport = streamable_http_client(url, http_client=http)
        if hasattr(mcp, "Client"):
            async with mcp.Client(transport, read_timeout_seconds=PATIENCE) as client:
                yield client
        else:
            async with transport as (read, write, *_), mcp.ClientSession(read, write) as client:
                await client.initialize()
                yield client
