"""What the runs found, put together: the verdict, and the page in docs."""

from dataclasses import dataclass

import explained
from suites import Found, Suite

TOLD = 300

HEAD = """# Conformance

The official conformance suites of MCP (npm `@modelcontextprotocol/conformance`), run twice against one and the same
server: *direct*, over the Streamable HTTP of its own SDK, and *through Culvert*, over stdio behind `culvert run` and
`culvert gateway --no-auth`. The server is the fixture in `tests/conformance/fixture`. `make test` runs this and writes
this page; it fails when a scenario passes directly and not through Culvert.

The suites test a server over Streamable HTTP, so through Culvert all that concerns HTTP (sessions, streams, headers,
status codes, the `Host` check) is the gateway's work, and the rest is the server's own, carried by the tunnel.
"""


@dataclass(frozen=True)
class Compared:
    """One suite against both."""

    suite: Suite
    direct: Found
    through: Found


def wrong(all_compared: list[Compared]) -> list[str]:
    """All that keeps the run from passing, one sentence each."""
    found = []
    for one in all_compared:
        name = one.suite.name
        if one.direct.passed() < one.suite.least:
            found.append(f"{name}: only {one.direct.passed()} scored scenarios pass directly, not {one.suite.least}")
        if list(one.direct.outcomes) != list(one.through.outcomes):
            found.append(f"{name}: not the same scenarios were run directly and through Culvert")
            continue
        for scenario, direct in one.direct.outcomes.items():
            found += [f"{name}: {scenario}: {what}" for what in _wrong_in(one, scenario, direct)]
    return found


def _wrong_in(one: Compared, scenario: str, direct) -> list[str]:
    through = one.through.outcomes[scenario]
    if not direct.passed:
        return [] if scenario in explained.DIRECT else [f"fails directly: {_told(direct)}"]
    if scenario in explained.DIRECT:
        return ["passes directly, though explained.py tells why it does not"]
    excused = scenario in one.through.unscored and scenario in explained.THROUGH
    if through.passed:
        return ["passes through Culvert, though explained.py tells why it does not"] if excused else []
    return [] if excused else [f"passes directly, fails through Culvert: {_told(through)}"]


def _told(outcome) -> str:
    """The first failure, which the others mostly follow from, as one line of bearable length."""
    first = "".join(char for char in outcome.failures[0] if char.isprintable())[:TOLD]
    return first if len(outcome.failures) == 1 else f"{first} (and {len(outcome.failures) - 1} more)"


def page(all_compared: list[Compared], versions: dict[str, str]) -> str:
    """docs/conformance.md: the same for the same findings, so that it changes only when they do."""
    parts = [HEAD, "| suite | direct | through Culvert |\n|:--|--:|--:|\n" + "".join(map(_score, all_compared))]
    parts.append("Run with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".\n")
    parts += map(_table, all_compared)
    return "\n".join(parts)


def _score(one: Compared) -> str:
    of = len(one.direct.scored())
    return f"| {one.suite.name} | {one.direct.passed()}/{of} | {one.through.passed()}/{of} |\n"


def _table(one: Compared) -> str:
    rows = [f"## {one.suite.name}\n\n| scenario | direct | through Culvert | |\n|:--|:-:|:-:|:--|\n"]
    for scenario, direct in one.direct.outcomes.items():
        through = one.through.outcomes.get(scenario)
        notes = []
        if scenario in one.direct.unscored:
            notes.append(f"not scored ({one.direct.unscored[scenario]})")
        notes += _notes(scenario, direct, through)
        rows.append(f"| {scenario} | {_mark(direct)} | {_mark(through)} | {'; '.join(notes)} |\n")
    return "".join(rows)


def _mark(outcome) -> str:
    if outcome is None:
        return "–"
    return ("✓ with warnings" if outcome.warnings else "✓") if outcome.passed else "✗"


def _notes(scenario: str, direct, through) -> list[str]:
    if not direct.passed:
        return [explained.DIRECT.get(scenario, "not explained")]
    if through is not None and not through.passed:
        return [explained.THROUGH.get(scenario, "not explained")]
    return []
