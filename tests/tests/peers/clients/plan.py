"""Does with an MCP client what a plan (JSON) asks for, and prints what came of it as one line of JSON.

    {"mode": "auto", "url": URL | "command": [PROGRAM, ...],
     "sessions": [{"marker": "one", "at_once": false, "calls": [
         {"tool": NAME, "arguments": {"text": {"$file": PATH}}, "progress": true, "cancel_at": 3}]}]}

All sessions are opened before any calls, and then call beside each other. A session answers whatever the server asks
of it with its marker. `$file` stands for the text of a file; `cancel_at` gives a call up at that many notifications of
progress. The bearer is read from MCP_TOKEN. A client is a function that opens a session:
`open(plan, marker)`, an async context manager of an object with `server`, `protocol`, `tools()` and
`call(tool, arguments, on_progress)`, which returns whether the tool failed and the parts of its text.
"""

import asyncio
import hashlib
import json
import sys
import traceback
from pathlib import Path

import anyio

# Long texts are told by size and hash, and only their beginning is shown.
SHOWN = 2000


def causes(error: BaseException) -> str:
    """What went wrong, where task groups have wrapped it."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(causes(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def with_files(value):
    if isinstance(value, list):
        return [with_files(each) for each in value]
    if isinstance(value, dict):
        if "$file" in value:
            return Path(value["$file"]).read_text(encoding="utf-8")
        return {name: with_files(each) for name, each in value.items()}
    return value


async def one_call(session, call: dict) -> dict:
    arguments = with_files(call.get("arguments", {}))
    progress = []
    with anyio.CancelScope() as scope:

        async def on_progress(done, total=None, message=None) -> None:
            progress.append([done, total])
            if len(progress) == call.get("cancel_at"):
                scope.cancel()

        wanted = on_progress if call.get("progress") or "cancel_at" in call else None
        try:
            failed, parts = await session.call(call["tool"], arguments, wanted)
        except Exception as error:
            return {"raised": causes(error), "progress": progress}
    if scope.cancelled_caught:
        return {"cancelled": True, "progress": progress}
    text = "\n".join(parts)
    raw = text.encode()
    hashed = hashlib.sha256(raw).hexdigest()
    return {"failed": failed, "text": text[:SHOWN], "bytes": len(raw), "sha256": hashed, "progress": progress}


async def one_session(client, plan: dict, wish: dict, all_open: asyncio.Barrier) -> dict:
    found = {}
    try:
        async with client(plan, wish["marker"]) as session:
            found |= {"server": session.server, "protocol": session.protocol}
            await all_open.wait()
            found["tools"] = sorted(await session.tools())
            if wish.get("at_once"):
                found["calls"] = await asyncio.gather(*(one_call(session, call) for call in wish["calls"]))
            else:
                found["calls"] = [await one_call(session, call) for call in wish["calls"]]
    except Exception as error:
        traceback.print_exc()
        if not found:
            await all_open.wait()
        found["closed_by" if "calls" in found else "refused"] = causes(error)
    return found


async def carry_out(client, plan: dict) -> dict:
    all_open = asyncio.Barrier(len(plan["sessions"]))
    return {"sessions": await asyncio.gather(*(one_session(client, plan, wish, all_open) for wish in plan["sessions"]))}


def main(client) -> None:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(asyncio.run(carry_out(client, plan))))
