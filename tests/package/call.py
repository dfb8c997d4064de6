"""Calls the tool `echo` of an MCP server by hand, with nothing but Python's own library: call.py URL TOKEN

Waits up to a minute for the server to be there."""

import json
import sys
import time
import urllib.error
import urllib.request

URL, TOKEN = sys.argv[1:]


def post(message, session=None):
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    if session:
        headers["Mcp-Session-Id"] = session
    request = urllib.request.Request(URL, json.dumps(message, separators=(",", ":")).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        text = response.read().decode()
        lines = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
        return response.headers.get("Mcp-Session-Id"), json.loads(lines[-1] if lines else text or "null")


hello = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
deadline = time.monotonic() + 60
while True:
    try:
        session, welcome = post(hello)
        break
    except (urllib.error.URLError, ConnectionError) as error:
        if time.monotonic() > deadline:
            sys.exit(f"{URL} is not there: {error}")
        time.sleep(0.2)
assert welcome["result"]["serverInfo"]["name"] == "echo", welcome
post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "through"}}}
answer = post(call, session)[1]
assert answer["result"]["content"][0]["text"] == "through", answer
