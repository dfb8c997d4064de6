"""Makes many calls at once and checks that answers and progress are its own.

busy.py URL TAG CALLS GO. Once connected it prints {"event": "ready"} and waits for the file GO. At the end it prints
what it got: what was wrong, and the JSON-RPC ids that its calls had on the wire.
"""

import asyncio
import json
import os
import sys

from connected import connected

AT_ONCE = 8
STEPS = 3


async def main(url: str, tag: str, calls: int, go: str) -> None:
    ids: list = []
    wrong: list = []

    async def note(request) -> None:
        if request.method == "POST":
            message = json.loads(request.content)
            if message.get("method") == "tools/call":
                ids.append(message["id"])

    async def call(client, number: int) -> None:
        text, told = f"{tag}-{number}", []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            told.append((done, total, message))

        arguments = {"text": text, "steps": STEPS, "ms": 1 + number % 5}
        result = await client.call_tool("steps", arguments, progress_callback=progress)
        if [part.text for part in result.content] != [text]:
            wrong.append(f"{text} was answered {result.content}")
        if told != [(step, STEPS, text) for step in range(1, STEPS + 1)]:
            wrong.append(f"{text} was told {told}")

    async def one_after_another(client, first: int) -> None:
        for number in range(first, calls, AT_ONCE):
            await call(client, number)

    async with connected(url, note) as client:
        print(json.dumps({"event": "ready"}), flush=True)
        while not os.path.exists(go):
            await asyncio.sleep(0.02)
        await asyncio.gather(*(one_after_another(client, first) for first in range(AT_ONCE)))
    print(json.dumps({"event": "done", "calls": calls, "wrong": wrong, "ids": ids}), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
