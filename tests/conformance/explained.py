"""Why a scenario does not pass. Each entry is one that is known and stays; whatever fails without one fails the run,
and so does an entry that has become untrue."""

NO_TASKS = "the extension `tasks` is optional, and the fixture has none"

# With no tunnel between: by scenario's name.
DIRECT = {
    "tasks-lifecycle": NO_TASKS,
    "tasks-capability-negotiation": NO_TASKS,
    "tasks-wire-fields": NO_TASKS,
    "tasks-request-state-removal": NO_TASKS,
    "tasks-mrtr-input": NO_TASKS,
    "tasks-request-headers": NO_TASKS,
    "tasks-dispatch-and-envelope": NO_TASKS,
    "tasks-required-task-error": NO_TASKS,
    "tasks-mrtr-composition": NO_TASKS,
}

# Through Culvert only, and only of those that no revision requires.
THROUGH: dict[str, str] = {}
