"""Lists a server's tools and calls one; prints what came as one JSON object.

call.py URL TOOL ARGUMENTS-AS-JSON
"""

import asyncio
import json
import sys

from connected import connected


async def main(url: str, tool: str, arguments: dict) -> None:
    async with connected(url) as client:
        tools = (await client.list_tools()).tools
        result = await client.call_tool(tool, arguments)
    print(json.dumps({
        "tools": sorted(each.name for each in tools),
        "text": " ".join(part.text for part in result.content if part.type == "text"),
    }))


asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
