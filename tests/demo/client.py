"""An MCP client on the Python SDK: lists a server's tools and calls one.

client.py URL [TOOL [ARGUMENTS-AS-JSON]] [--json]; the bearer is read from MCP_TOKEN.
It knows nothing of Culvert: a URL and a bearer are all that an MCP client needs.
"""

import argparse
import asyncio
import json
import os
import time
from importlib.metadata import version

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

LIMIT_S = 60


def report(as_json: bool, leg: str, since: float, text: str) -> float:
    """Prints one leg and when it ended; returns the start of the next."""
    ms = (time.monotonic() - since) * 1000
    print(json.dumps({"leg": leg, "ms": ms, "text": text}) if as_json else f"{leg}: {text} ({ms:.0f} ms)", flush=True)
    return time.monotonic()


async def talk(url: str, tool: str, arguments: dict, as_json: bool) -> None:
    token = os.environ.get("MCP_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    start = time.monotonic()
    async with httpx2.AsyncClient(headers=headers, timeout=LIMIT_S) as http:
        async with Client(streamable_http_client(url, http_client=http), read_timeout_seconds=LIMIT_S) as client:
            server = client.server_info
            name = f"{server.name} {server.version}" if server else "a server without a name"
            start = report(as_json, "initialize", start, f"{name}, MCP {client.protocol_version}")
            tools = (await client.list_tools()).tools
            start = report(as_json, "tools/list", start, ", ".join(each.name for each in tools))
            result = await client.call_tool(tool, arguments)
            text = " ".join(part.text for part in result.content if part.type == "text")
            if result.is_error:
                raise SystemExit(f"{tool} answered with an error: {text}")
            report(as_json, "tools/call", start, f"{tool} → {' '.join(text.split())}")


def main() -> None:
    parser = argparse.ArgumentParser(description=f"An MCP client (Python SDK mcp {version('mcp')})")
    parser.add_argument("url")
    parser.add_argument("tool", nargs="?", default="get_current_time")
    parser.add_argument("arguments", nargs="?", type=json.loads, default={"timezone": "UTC"})
    parser.add_argument("--json", action="store_true", help="one JSON object per leg")
    asked = parser.parse_args()
    try:
        asyncio.run(asyncio.wait_for(talk(asked.url, asked.tool, asked.arguments, asked.json), LIMIT_S))
    except Exception as error:  # the first cause says more than the group around it
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise SystemExit(f"{type(error).__name__}: {error}") from None


if __name__ == "__main__":
    main()
