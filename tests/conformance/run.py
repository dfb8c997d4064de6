"""Runs the official MCP conformance suites against one server, directly and through Culvert, and compares.

run.py --culvert PATH --peers ENV-FILE [--page FILE] [--keep FOLDER] [--direct]

Exit code 0 when no scenario passes directly and not through Culvert, and each that fails directly is explained.
--page writes what was found as Markdown. --keep leaves the suites' own files and everybody's stderr in a folder.
--direct leaves Culvert out, which shows whether the fixture itself is sound. Standard library only.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "demo"))

from demo import Children, Failed, environment  # noqa: E402  (it starts and ends the same processes)

import report  # noqa: E402
import suites  # noqa: E402

FIXTURE_LIMIT_S = 30
GATEWAY_LIMIT_S = 20
ONLINE_LIMIT_S = 90
# Most of the suites' clients go away without ending their session.
SESSIONS = 128


def fixture(peers: dict[str, str], how: str) -> list[str]:
    # -I: nothing of the caller's Python; -B: nothing is written beside the sources.
    return [peers["CULVERT_PEER_MCP2_PYTHON"], "-I", "-B", str(HERE / "fixture"), how]


def start_direct(children: Children, peers: dict[str, str]) -> str:
    """Serves the fixture over its own Streamable HTTP; returns its URL."""
    return children.start("fixture", fixture(peers, "http")).wait_for("listening", FIXTURE_LIMIT_S)["url"]


def start_through(children: Children, peers: dict[str, str], culvert: str) -> str:
    """Serves the fixture over stdio behind a tunnel and a gateway; returns the URL that the gateway gives it."""
    state = str(children.folder / "gateway")
    argv = [culvert, "gateway", "--listen", "127.0.0.1:0", "--no-auth", "--state-dir", state, "--json"]
    gateway = children.start("gateway", argv).wait_for("listening", GATEWAY_LIMIT_S)["url"]
    command = shlex.join(fixture(peers, "stdio"))
    argv = [culvert, "run", "--local-stdio", command, "--gateway", gateway, "--server-name", "conformance"]
    argv += ["--max-sessions", str(SESSIONS), "--json"]
    url = children.start("tunnel", argv).wait_for("online", ONLINE_LIMIT_S)["url"]
    if not url:
        raise Failed("the tunnel is online, but the gateway routes no MCP calls")
    return url


def measure(suite: suites.Suite, peers: dict[str, str], url: str, folder: Path) -> suites.Found:
    folder.mkdir(parents=True)
    found = suites.run(suite, peers[suite.peer], url, folder)
    print(f"{suite.name}: {found.passed()}/{len(found.scored())} at {url}", flush=True)
    return found


def versions(peers: dict[str, str], culvert: str) -> dict[str, str]:
    ask_mcp = "from importlib.metadata import version; print(version('mcp'))"
    told = {
        "Culvert": [culvert, "--version"],
        "the Python SDK `mcp`": [peers["CULVERT_PEER_MCP2_PYTHON"], "-I", "-c", ask_mcp],
        "Node": [peers["CULVERT_PEER_NODE"], "--version"],
    }
    return {
        name: version_in(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
        for name, argv in told.items()
    }


def version_in(told: str) -> str:
    """The version alone: a commit beside it would be another one with each commit of the page."""
    return next(word for word in told.replace("v", " ").split() if word[0].isdigit())


def run(asked: argparse.Namespace, peers: dict[str, str], children: Children) -> list[str]:
    direct = start_direct(children, peers)
    through = direct if asked.direct else start_through(children, peers, asked.culvert)
    compared = []
    for number, suite in enumerate(suites.SUITES, 1):
        one = measure(suite, peers, direct, children.folder / f"direct-{number}")
        other = one if asked.direct else measure(suite, peers, through, children.folder / f"through-{number}")
        compared.append(report.Compared(suite, one, other))
    if asked.page and not asked.direct:
        asked.page.write_text(report.page(compared, versions(peers, asked.culvert)))
    return report.wrong(compared)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--culvert", required=True)
    parser.add_argument("--peers", required=True, type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--direct", action="store_true")
    asked = parser.parse_args()
    peers = dict(line.split("=", 1) for line in asked.peers.read_text().splitlines())
    with tempfile.TemporaryDirectory(prefix="culvert-conformance-") as name:
        folder = asked.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        children = Children(environment(folder), folder)
        try:
            wrong = run(asked, peers, children)
        except (Failed, suites.Broken, OSError, KeyError, subprocess.SubprocessError) as error:
            wrong = [f"the run broke off: {type(error).__name__}: {error}"]
            for child in children.started:
                wrong += [f"{child.name} said last:\n{tail}"] if (tail := child.stderr_tail()) else []
        except KeyboardInterrupt:
            wrong = ["interrupted"]
        finally:
            children.end()
    for what in wrong:
        print(f"conformance: {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
