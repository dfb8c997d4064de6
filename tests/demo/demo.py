"""Shows Culvert's main job end to end, on this machine only: `make demo`.

A gateway on loopback, PyPI's mcp-server-time tunnelled to it, and the Python MCP SDK
calling a tool through the gateway. Every part is a process of its own; all of them are
ended in every case, and exit code 0 means that each leg really happened.

demo.py --culvert PATH --peers ENV-FILE; standard library only.
"""

import argparse
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVER_NAME = "time"
GATEWAY_LIMIT_S = 20
ONLINE_LIMIT_S = 90
CLIENT_LIMIT_S = 90
END_LIMIT_S = 10
TAIL_LINES = 12


class Failed(Exception):
    """A leg that did not happen; the message says which and why."""


class Child:
    """A process of the demo: its stdout as lines, its stderr in a file, its end certain."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str], folder: Path):
        self.name = name
        self.errors = folder / f"{name}.stderr"
        self.lines: queue.Queue[str | None] = queue.Queue()
        with open(self.errors, "wb") as errors:
            # A session of its own: Ctrl-C reaches this program alone, which then
            # ends the children in order.
            self.process = subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                text=True, errors="replace", start_new_session=True,
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def objects(self, limit_s: float):
        """Yields what it prints, one JSON object a line, until it ends its output."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{self.name} said nothing more for {limit_s} s") from None
            if line is None:
                return
            try:
                yield json.loads(line)
            except ValueError:
                raise Failed(f"{self.name} printed a line that is not JSON: {clean(line)}") from None

    def wait_for(self, kind: str, limit_s: float) -> dict:
        """Its event of that kind; fails at once when it says that it failed, or ends."""
        for event in self.objects(limit_s):
            if event.get("event") == kind:
                return event
            if event.get("event") == "failed":
                raise Failed(f"{self.name}: {event.get('message')} [{event.get('code')}] → {event.get('action')}")
        raise Failed(f"{self.name} ended with exit code {self.process.wait(END_LIMIT_S)} before it was {kind}")

    def end(self) -> None:
        """SIGTERM, so that it can end its own children; SIGKILL to its group if it stays."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def stderr_tail(self) -> str:
        lines = self.errors.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "".join(f"    {clean(line)}\n" for line in lines)


class Children:
    """All that the demo started. An interrupt that arrives while one is being started
    waits until it is listed here, so that none escapes the end."""

    def __init__(self, env: dict[str, str], folder: Path):
        self.env, self.folder = env, folder
        self.started: list[Child] = []
        self._starting = self._interrupted = False
        # make's own end, a closed terminal and CI's timeout count as Ctrl-C does.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)

    def _interrupt(self, *_) -> None:
        self._interrupted = True
        if not self._starting:
            raise KeyboardInterrupt

    def start(self, name: str, argv: list[str], **extra: str) -> Child:
        self._starting = True
        try:
            self.started.append(Child(name, argv, self.env | extra, self.folder))
        finally:
            self._starting = False
        if self._interrupted:
            raise KeyboardInterrupt
        return self.started[-1]

    def end(self) -> None:
        self._starting = True
        for child in reversed(self.started):
            child.end()


def clean(text: str) -> str:
    """Text from another process, without control characters and not too long."""
    return "".join(char for char in text.strip() if char.isprintable())[:500]


class Table:
    """One line per leg, printed as it happens: what, what came back, how long."""

    def __init__(self):
        plain = "NO_COLOR" in os.environ or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
        self.bold, self.dim, self.end = ("", "", "") if plain else ("\033[1m", "\033[2m", "\033[0m")

    def title(self, text: str) -> None:
        print(f"\n{self.bold}{text}{self.end}\n", flush=True)

    def leg(self, name: str, seconds: float, text: str) -> None:
        took = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
        print(f"  {name:<12}{took:>8}   {self.dim}{clean(text)}{self.end}", flush=True)


def environment(folder: Path) -> dict[str, str]:
    """This one without what would steer culvert elsewhere, and with private folders."""
    env = {
        name: value for name, value in os.environ.items()
        if not name.startswith("REVERSE_PROXY_") and name not in ("JWT_SECRET_KEY", "MCP_TOKEN")
    }
    for kind in ("STATE", "CONFIG", "DATA"):
        env[f"XDG_{kind}_HOME"] = str(folder / kind.lower())
    # A proxy set for the internet must not stand before loopback.
    env["NO_PROXY"] = env["no_proxy"] = "127.0.0.1,localhost"
    return env


def run(culvert: str, peers: dict[str, str], children: Children, table: Table) -> None:
    state = str(children.folder / "gateway")

    begun = time.monotonic()
    # Its own words go to the terminal: a first build takes minutes.
    built = subprocess.run(["cargo", "build", "-p", "culvert-cli"], cwd=HERE, stdin=subprocess.DEVNULL)
    if built.returncode != 0:
        raise Failed("culvert does not build")
    table.leg("build", time.monotonic() - begun, culvert)

    begun = time.monotonic()
    gateway = children.start("gateway", [culvert, "gateway", "--listen", "127.0.0.1:0", "--state-dir", state, "--json"])
    url = gateway.wait_for("listening", GATEWAY_LIMIT_S)["url"]
    table.leg("gateway up", time.monotonic() - begun, url)

    made = subprocess.run(
        [culvert, "token", "create", "-u", "demo", "-e", "60", "--state-dir", state],
        env=children.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GATEWAY_LIMIT_S,
    )
    token = made.stdout.strip()
    if made.returncode != 0 or not token:
        raise Failed(f"culvert token create: exit code {made.returncode}: {clean(made.stderr)}")

    begun = time.monotonic()
    tunnel = children.start(
        "tunnel",
        [culvert, "run", "--local-stdio", server_command(peers), "--gateway", url, "--server-name", SERVER_NAME, "--json"],
        REVERSE_PROXY_TOKEN=token,
    )
    online = tunnel.wait_for("online", ONLINE_LIMIT_S)
    if not online.get("url"):
        raise Failed("the tunnel is online, but this gateway routes no MCP calls")
    table.leg("online", time.monotonic() - begun, f"mcp-server-time, {online.get('tools')} tools, {online['url']}")

    legs = []
    client = children.start("client", [peers["CULVERT_PEER_MCP2_PYTHON"], str(HERE / "client.py"), online["url"], "--json"], MCP_TOKEN=token)
    for leg in client.objects(CLIENT_LIMIT_S):
        legs.append(leg["leg"])
        table.leg(leg["leg"], leg["ms"] / 1000, leg["text"])
    code = client.process.wait(END_LIMIT_S)
    if code != 0 or legs != ["initialize", "tools/list", "tools/call"]:
        raise Failed(f"the MCP client ended with exit code {code} after: {', '.join(legs) or 'nothing'}")


def server_command(peers: dict[str, str]) -> str:
    return f"{shlex.quote(peers['CULVERT_PEER_TIME'])} --local-timezone UTC"


def by_hand(culvert: str, peers: dict[str, str]) -> str:
    """The same in three commands, each in a terminal of its own, as they can be pasted."""
    program, client = shlex.quote(culvert), shlex.quote(str(HERE / "client.py"))
    token = f'"$({program} token create -u me)"'  # by environment: argv is open to every user
    return "\n".join((
        f"  {program} gateway\n",
        f"  REVERSE_PROXY_TOKEN={token} \\",
        f"      {program} run --local-stdio {shlex.quote(server_command(peers))} \\",
        f"      --gateway http://127.0.0.1:4444 --server-name {SERVER_NAME}\n",
        f"  MCP_TOKEN={token} \\",
        f"      {shlex.quote(peers['CULVERT_PEER_MCP2_PYTHON'])} {client} http://127.0.0.1:4444/servers/{SERVER_NAME}/mcp",
    ))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--culvert", required=True)
    parser.add_argument("--peers", required=True, type=Path)
    asked = parser.parse_args()
    peers = dict(line.split("=", 1) for line in asked.peers.read_text().splitlines())
    table = Table()
    table.title("A local MCP server, called through a gateway, with no inbound port")
    with tempfile.TemporaryDirectory(prefix="culvert-demo-") as name:
        folder, failure = Path(name), None
        children = Children(environment(folder), folder)
        try:
            run(asked.culvert, peers, children, table)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            failure = str(error)
        except KeyboardInterrupt:
            print("\ndemo: interrupted", file=sys.stderr)
            return 130
        finally:
            children.end()
        if failure:
            print(f"\ndemo: failed: {failure}", file=sys.stderr)
            for child in children.started:
                if tail := child.stderr_tail():
                    print(f"  {child.name} said last:\n{tail}", end="", file=sys.stderr)
            return 1
    table.title("The same by hand, in three terminals:")
    print(by_hand(asked.culvert, peers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
