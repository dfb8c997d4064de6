"""The official conformance suites: how each is run against a URL, and what it found, scenario by scenario."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# The longest takes half a minute on an idle machine, and some minutes on one with ten others at work.
SUITE_LIMIT_S = 240
# A suite names a scenario's folder after it and the moment.
_FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
_UNSCORED = re.compile(r"^  [✓✗] (?P<scenario>\S+) \((?P<reason>[a-z-]+)\)$", re.MULTILINE)
_STARTED = re.compile(r"^=== Running scenario: (?P<scenario>\S+) ===$", re.MULTILINE)


class Broken(Exception):
    """A suite that did not come to its end; the message says how it ended."""


@dataclass(frozen=True)
class Suite:
    """One way to start one of the pinned versions."""

    name: str
    peer: str
    options: tuple[str, ...]
    least: int
    """How many scored scenarios must pass with no tunnel between."""


SUITES = (
    Suite("0.1.16", "CULVERT_PEER_CONFORMANCE_0_1", (), 30),
    Suite("0.2.0-alpha.12, 2025-11-25", "CULVERT_PEER_CONFORMANCE_0_2", ("--requirements", "2025-11-25"), 30),
    Suite("0.2.0-alpha.12, 2026-07-28", "CULVERT_PEER_CONFORMANCE_0_2", ("--requirements", "2026-07-28"), 30),
)


@dataclass(frozen=True)
class Outcome:
    """What one scenario found."""

    failures: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """As the suites themselves count it: warnings are about what a server only should do."""
        return not self.failures


@dataclass(frozen=True)
class Found:
    """What one run of a suite found: scenarios in the suite's order, and why some do not count."""

    outcomes: dict[str, Outcome]
    unscored: dict[str, str]

    def scored(self) -> dict[str, Outcome]:
        return {name: outcome for name, outcome in self.outcomes.items() if name not in self.unscored}

    def passed(self) -> int:
        return sum(outcome.passed for outcome in self.scored().values())


def run(suite: Suite, program: str, url: str, folder: Path) -> Found:
    """Runs a suite against the server at `url`; its files go to `folder`."""
    argv = [program, "server", "--url", url, *suite.options, "--output-dir", str(folder)]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=SUITE_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"{suite.name} against {url} took longer than {SUITE_LIMIT_S} s") from None
    (folder / "stdout").write_text(done.stdout)
    if "=== SUMMARY ===" not in done.stdout:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Broken(f"{suite.name} against {url} ended with exit code {done.returncode}: {' '.join(last)}")
    files = {}
    for path in folder.glob("*/checks.json"):
        if match := _FOLDER.fullmatch(path.parent.name):
            files[match["scenario"]] = path
    outcomes = {match["scenario"]: _outcome(files.get(match["scenario"])) for match in _STARTED.finditer(done.stdout)}
    unscored = {match["scenario"]: match["reason"] for match in _UNSCORED.finditer(done.stdout)}
    return Found(outcomes, unscored)


def _outcome(path: Path | None) -> Outcome:
    if path is None:
        return Outcome(("the scenario broke off and left no checks",), ())
    checks = json.loads(path.read_text())
    return Outcome(_told(checks, "FAILURE"), _told(checks, "WARNING"))


def _told(checks: list[dict], status: str) -> tuple[str, ...]:
    so = (check for check in checks if check["status"] == status)
    return tuple(dict.fromkeys(f"{check['id']}: {check.get('errorMessage') or 'no reason given'}" for check in so))
