// What the window and the back end tell each other. Written from the types in crates/app/src/shown by its
// tests (CULVERT_WRITE_TYPES=1): change it there.

/** A profile's lasting id. Only compared, never read. */
export type ProfileId = string;

/** Milliseconds since 1970. */
export type Time = number;

/** On or off. */
export type Switch = "on" | "off";

/** A cause, notice or failure in words: a stable code, what happened, what to do. Every rejected command carries one. */
export type Explained = { code: string, message: string, action: string };

/** The icon's four shapes; also a profile's state in one word. */
export type Mark = "off" | "connecting" | "online" | "attention";

/** How the local server behind a tunnel is. */
export type ServerState = { "kind": "ready" } | { "kind": "unprobed" } | { "kind": "restarting", cause: Explained } | { "kind": "silent", cause: Explained };

/** What carries a link. */
export type Transport = "ws" | "sse";

/** The state of one profile's tunnel to one gateway. */
export type Status = { "kind": "off" } | { "kind": "starting", since: Time } | { "kind": "connecting" } | { "kind": "registering" } | { "kind": "online", since: Time, transport: Transport, roundTripMs: number | null, server: ServerState, tools: number | null, inUseBy: Array<string>, notices: Array<Explained>, url: string | null } | { "kind": "waiting", attempt: number, retryAt: Time, cause: Explained } | { "kind": "stopping" } | { "kind": "stopped", cause: Explained | null };

/** A process of a local server. */
export type Process = { pid: number, memoryBytes: number, session: string | null };

/** One profile's way to one gateway. */
export type Tunnel = { gateway: string, url: string, builtIn: boolean, status: Status, processes: Array<Process>, ownToken: Token | null };

/** Where a token is kept. */
export type TokenPlace = { "kind": "none" } | { "kind": "builtIn" } | { "kind": "keychain" } | { "kind": "environment", variable: string } | { "kind": "file", path: string } | { "kind": "command", command: string } | { "kind": "credential", name: string } | { "kind": "literal" };

/** What is known of a token without showing it. */
export type Token = { place: TokenPlace, expires: Time | null };

/** A command in full, as it would run: shown before anybody agrees to it. */
export type WholeCommand = { "kind": "command", line: string, folder: string | null, environment: Array<ShownPair>, programs: Array<string> } | { "kind": "url", url: string, headers: Array<ShownPair>, programs: Array<string> };

/** A variable or a header. A secret's value is left out: null. */
export type ShownPair = { name: string, value: string | null };

/** What needs the user, most urgent first; the window shows it in place of the second line. */
export type Problem = { "kind": "token", why: Explained, gateway: string | null } | { "kind": "keychainLocked", why: Explained } | { "kind": "keychainMissing", why: Explained } | { "kind": "commandChanged", before: WholeCommand, now: WholeCommand, fingerprint: string } | { "kind": "brokenFile", path: string, line: number, column: number, why: Explained } | { "kind": "toolsHeld", why: Explained } | { "kind": "other", why: Explained };

/** How often a profile was called. */
export type Calls = { today: number, errors: number, byHour: Array<number> };

/** One profile. */
export type Profile = { id: ProfileId, name: string, wanted: Switch, mark: Mark, words: string, said: string, status: Status, problem: Problem | null, server: string, tunnels: Array<Tunnel>, token: Token, calls: Calls, sharedUntil: Time | null, file: ProfileFile };

/** Whether the app may write the file that a profile is in. */
export type ProfileFile = { "kind": "own" } | { "kind": "foreign", path: string };

/** The app's own gateway. */
export type Gateway = { "kind": "off" } | { "kind": "starting" } | { "kind": "on", address: string } | { "kind": "failed", cause: Explained };

/** How it stands with the keychain. */
export type Keychain = { "kind": "ready" } | { "kind": "locked" } | { "kind": "unlocking" } | { "kind": "missing", why: Explained };

/** Whether the icon is there. */
export type Tray = { "kind": "shown" } | { "kind": "absent", why: Explained };

/** What the user chose for the app. */
export type Settings = { launchAtLogin: Switch, notifications: Switch };

/** All that can change while the window is open; sent whole, at most every 100 ms. */
export type World = { profiles: Array<Profile>, gateway: Gateway, gatewayPort: number, keychain: Keychain, tray: Tray, settings: Settings };

/** The systems that differ. */
export type Platform = "linux" | "macos" | "windows";

/** What stays the same while the app runs. */
export type Facts = { version: string, platform: Platform, defaults: { [key in OptionKey]?: string }, tryCommand: string };

/** A page of the window. */
export type Place = { "kind": "profile", id: ProfileId } | { "kind": "settings" } | { "kind": "about" } | { "kind": "import" };

/** What a close that was held back is told with. */
export type Say = "tunnelsStay" | "nothing";

/** What a window is told. */
export type Event = { "kind": "world", world: World } | { "kind": "show", place: Place } | { "kind": "closing", say: Say };

/** What passes of a profile's local server. */
export type Tools = { known: boolean, tools: Array<Tool>, more: number, preset: Preset, named: boolean, prompts: Switch, resources: Switch, holdChanged: Switch };

/** What tools may do, by their own word. */
export type Preset = "anything" | "onlyRead";

/** A tool of a local server. */
export type Tool = { name: string, shown: string, title: string | null, description: string | null, effect: Effect, digest: string, state: ToolState };

/** What a tool says of its effects. */
export type Effect = "reads" | "writes" | "destroys" | "unsaid";

/** Whether a tool passes, and by which rule. */
export type ToolState = { "kind": "passes" } | { "kind": "notAmong" } | { "kind": "off", pattern: string | null } | { "kind": "notReading" } | { "kind": "held", decided: Decided, isNew: boolean, changes: Array<ToolChange> };

/** Whether a held tool still needs its user. */
export type Decided = "notYet" | "keptBlocked";

/** A part of a tool that has changed. */
export type ToolChange = { part: ToolPart, old: string | null, new: string | null };

/** A part of what a tool says of itself. */
export type ToolPart = "title" | "description" | "takes" | "gives" | "effects" | "whole";

/** What a profile's user wants of its tools. */
export type ToolsWish = { "kind": "tool", name: string, wanted: Switch } | { "kind": "allNames" } | { "kind": "preset", preset: Preset } | { "kind": "prompts", wanted: Switch } | { "kind": "resources", wanted: Switch } | { "kind": "holdChanged", wanted: Switch };

/** A decision about a held tool as it was shown, and about no other. */
export type ToolDecision = { name: string, digest: string, decision: Decision };

/** What becomes of a held tool. */
export type Decision = "approve" | "keepBlocked";

/** How a call ended. */
export type Outcome = { "kind": "running" } | { "kind": "ok" } | { "kind": "cancelled" } | { "kind": "refused" } | { "kind": "error", message: string };

/** A call of the local server. */
export type Call = { id: number, at: Time, caller: string, method: string, tool: string | null, ms: number | null, outcome: Outcome, requestBytes: number, answerBytes: number | null };

/** A line of the local server's log. */
export type LogLine = { seq: number, at: Time, text: string };

/** What was typed and must not be seen again: it is read, and written as nothing. */
export type Typed = string;

/** A secret in a form. What is saved shows only where it is kept. */
export type SecretField = { "kind": "none" } | { "kind": "saved" } | { "kind": "typed", text: Typed } | { "kind": "environment", variable: string } | { "kind": "file", path: string } | { "kind": "command", command: string } | { "kind": "credential", name: string } | { "kind": "literal" };

/** The value of a variable or header. */
export type PairValue = { "kind": "plain", text: string } | { "kind": "secret", secret: SecretField };

/** A variable or a header. */
export type Pair = { name: string, value: PairValue };

/** The local server. */
export type LocalServer = { "kind": "commandLine", line: string, environment: Array<Pair>, folder: string } | { "kind": "command", program: string, arguments: Array<string>, environment: Array<Pair>, folder: string } | { "kind": "streamableHttp", url: string, headers: Array<Pair>, forwardAuth: ForwardAuth } | { "kind": "sse", url: string, headers: Array<Pair>, forwardAuth: ForwardAuth };

/** Which headers of callers the local server may be handed. */
export type ForwardAuth = { "kind": "none" } | { "kind": "headers", names: Array<string> };

/** A gateway of a profile. */
export type GatewayField = { "kind": "builtIn" } | { "kind": "url", url: string, ownToken: SecretField | null };

/** The options that are one text each; an absent one has its default. */
export type OptionKey = "server_description" | "transport" | "reconnect_delay" | "max_retries" | "keepalive" | "request_timeout" | "single_child" | "max_sessions" | "warm_spare" | "max_message_size" | "start_timeout" | "probe_interval" | "drain" | "allow_plaintext" | "ca_cert" | "client_cert" | "client_key" | "tool_preset" | "prompts" | "resources" | "hold_changed_tools" | "audit_log";

/** Whether it starts with Culvert: as it was when last seen, always, never. */
export type Start = "last" | "always" | "never";

/** What tells a profile from others. */
export type Label = { name: string, value: string };

/** Which tools pass, by names or patterns. */
export type ToolsField = { only: Array<string> | null, never: Array<string> };

/** A profile as the editor holds it: text as typed, right or wrong. */
export type Draft = { id: ProfileId | null, name: string, server: LocalServer, gateways: Array<GatewayField>, token: SecretField, start: Start, labels: Array<Label>, tools: ToolsField, proxy: PairValue, clientKeyPassphrase: SecretField, options: { [key in OptionKey]?: string } };

/** Where a finding belongs; `index` counts rows. */
export type Field = { "kind": "name" } | { "kind": "server" } | { "kind": "argument", index: number } | { "kind": "pair", index: number } | { "kind": "folder" } | { "kind": "gateway", index: number } | { "kind": "gatewayToken", index: number } | { "kind": "token" } | { "kind": "label", index: number } | { "kind": "forwardAuth", index: number } | { "kind": "toolAllowed", index: number } | { "kind": "toolDenied", index: number } | { "kind": "proxy" } | { "kind": "clientKeyPassphrase" } | { "kind": "option", key: OptionKey };

/** How bad a finding is. */
export type Severity = "error" | "warning";

/** Something about a field. */
export type Finding = { field: Field, severity: Severity, why: Explained };

/** How one came to look where a program was found. */
export type FoundBy = "path" | "loginShell";

/** Where a command was found. */
export type FoundProgram = { path: string, from: FoundBy };

/** What the engine's rules say of a draft. */
export type Checked = { findings: Array<Finding>, registeredName: string | null, words: Array<string> | null, program: FoundProgram | null };

/** What becomes of a file that cannot be read when a profile is saved over it. */
export type OnBroken = "refuse" | "keepAside";

/** What came of saving. */
export type Saved = { "kind": "saved", id: ProfileId } | { "kind": "refused", findings: Array<Finding> };

/** How a check stands. */
export type StepState = { "kind": "pending" } | { "kind": "running" } | { "kind": "passed", summary: string } | { "kind": "warned", why: Explained } | { "kind": "failed", why: Explained } | { "kind": "skipped", because: string };

/** One of doctor's checks. The first message lists all as pending; later ones replace by id. */
export type TestStep = { id: string, title: string, state: StepState };

/** Whether an answer is shown while it is typed. */
export type Visibility = "shown" | "hidden";

/** Something a found command lacks, such as an API key that the file left as a placeholder. */
export type Need = { id: string, label: string, visibility: Visibility, proposed: string | null, options: Array<string> };

/** Whether a found server is there already. */
export type Presence = "new" | "known";

/** A server of another app. */
export type FoundServer = { key: string, name: string, project: string | null, command: WholeCommand, needs: Array<Need>, presence: Presence, warnings: Array<string> };

/** A file of another app. */
export type FoundSource = { app: string, path: string, servers: Array<FoundServer>, troubles: Array<Explained> };

/** A choice; `values` answers its needs by their ids. */
export type Pick = { path: string, key: string, values: Record<string, string> };

/** A server that was not imported. */
export type Refusal = { name: string, why: Explained };

/** What came of an import. */
export type Imported = { ids: Array<ProfileId>, refused: Array<Refusal> };

/** Where an entry is for. */
export type Client = "claudeCode" | "cursor" | "vsCode" | "mcpJson" | "curl";

/** All that the page hears of what is on the clipboard. */
export type Copied = { "kind": "withToken", until: Time } | { "kind": "withPlaceholder", why: Explained };
