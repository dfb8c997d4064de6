// What the window and the back end tell each other. One file, shaped as ts-rs writes it:
// enums with data are unions told apart by `kind`, plain enums are unions of words.
// Nothing in here can hold a saved secret: those travel only towards the back end.

/** A profile's lasting id. Only compared, never read. */
export type ProfileId = string;

/** Milliseconds since 1970. */
export type Time = number;

export type Switch = 'on' | 'off';

/** A cause, notice or failure in words: a stable code, what happened, what to do. Every rejected command carries one. */
export type Explained = { code: string; message: string; action: string };

// ---- what is so

/** The icon's four shapes; also a profile's state in one word. */
export type Mark = 'off' | 'connecting' | 'online' | 'attention';

export type ServerState =
  | { kind: 'ready' }
  | { kind: 'unprobed' }
  | { kind: 'restarting'; cause: Explained }
  | { kind: 'silent'; cause: Explained };

export type Transport = 'ws' | 'sse';

/** The state of one profile's tunnel to one gateway. */
export type Status =
  | { kind: 'off' }
  | { kind: 'starting'; since: Time }
  | { kind: 'connecting' }
  | { kind: 'registering' }
  | {
      kind: 'online';
      since: Time;
      transport: Transport;
      /** Rounded by the back end to steps that matter. */
      roundTripMs: number | null;
      server: ServerState;
      tools: number | null;
      /** One entry a session; empty on gateways that do not tell. */
      inUseBy: string[];
      notices: Explained[];
      /** Where MCP clients find it; null where the gateway routes no calls. */
      url: string | null;
    }
  | { kind: 'waiting'; attempt: number; retryAt: Time; cause: Explained }
  | { kind: 'stopping' }
  | { kind: 'stopped'; cause: Explained | null };

export type Process = { pid: number; memoryBytes: number; session: string | null };

export type Tunnel = {
  /** Host and port, for people. */
  gateway: string;
  /** The address as configured, without anything secret. */
  url: string;
  builtIn: boolean;
  status: Status;
  processes: Process[];
  /** Its own; null: the profile's. */
  ownToken: Token | null;
};

export type TokenPlace =
  | { kind: 'none' }
  | { kind: 'builtIn' }
  | { kind: 'keychain' }
  | { kind: 'environment'; variable: string }
  | { kind: 'file'; path: string }
  | { kind: 'command'; command: string }
  | { kind: 'credential'; name: string }
  | { kind: 'literal' };

/** What is known of a token without showing it. */
export type Token = { place: TokenPlace; expires: Time | null };

/** A command in full, as it would run: shown before anybody agrees to it. */
export type WholeCommand =
  /** `line`: the words as a shell would quote them. */
  | { kind: 'command'; line: string; folder: string | null; environment: ShownPair[] }
  | { kind: 'url'; url: string; headers: ShownPair[] };

/** A secret's value is left out: null. */
export type ShownPair = { name: string; value: string | null };

/** What needs the user, most urgent first; the window shows it in place of the second line. */
export type Problem =
  /** `gateway`: the URL of the one whose own token it is; null: the profile's. */
  | { kind: 'token'; why: Explained; gateway: string | null }
  | { kind: 'keychainLocked'; why: Explained }
  | { kind: 'keychainMissing'; why: Explained }
  | { kind: 'commandChanged'; before: WholeCommand; now: WholeCommand; fingerprint: string }
  | { kind: 'brokenFile'; path: string; line: number; column: number; why: Explained }
  | { kind: 'other'; why: Explained };

export type Calls = { today: number; errors: number; byHour: number[] };

export type Profile = {
  id: ProfileId;
  name: string;
  wanted: Switch;
  mark: Mark;
  /** The tray's words: "online, 12 ms", "token rejected". */
  words: string;
  /** The same without figures: said aloud when it changes. */
  said: string;
  /** Its worst wanted tunnel's. */
  status: Status;
  problem: Problem | null;
  /** The local server as one line: its command or URL. */
  server: string;
  tunnels: Tunnel[];
  token: Token;
  calls: Calls;
  /** Shared for a while: when that ends. */
  sharedUntil: Time | null;
  file: ProfileFile;
};

/** Whether the app may write the file that a profile is in. */
export type ProfileFile =
  | { kind: 'own' }
  /** Written by hand for several servers, or another program's: only its author changes it. */
  | { kind: 'foreign'; path: string };

export type Gateway =
  | { kind: 'off' }
  | { kind: 'starting' }
  | { kind: 'on'; address: string }
  | { kind: 'failed'; cause: Explained };

export type Keychain = { kind: 'ready' } | { kind: 'locked' } | { kind: 'unlocking' } | { kind: 'missing'; why: Explained };

export type Tray = { kind: 'shown' } | { kind: 'absent'; why: Explained };

export type Settings = {
  launchAtLogin: Switch;
  notifications: Switch;
  /** Keeps what calls carry in memory, until switched off or quit. */
  recording: Switch;
};

/** All that can change while the window is open; sent whole, at most every 100 ms. */
export type World = {
  profiles: Profile[];
  gateway: Gateway;
  gatewayPort: number;
  keychain: Keychain;
  tray: Tray;
  settings: Settings;
};

/** What stays the same while the app runs. */
export type Facts = {
  version: string;
  platform: 'linux' | 'macos' | 'windows';
  /** The options' defaults, as text. */
  defaults: Partial<Record<OptionKey, string>>;
  /** The command of "Try it". */
  tryCommand: string;
};

export type Place =
  | { kind: 'profile'; id: ProfileId }
  | { kind: 'settings' }
  | { kind: 'about' }
  | { kind: 'import' };

export type Event =
  | { kind: 'world'; world: World }
  /** The tray or a second launch asks for a page. */
  | { kind: 'show'; place: Place }
  /** A close was held back: for what is unsaved, or, the first time, to say that tunnels stay. Then `closeWindow('now')`. */
  | { kind: 'closing'; say: 'tunnelsStay' | 'nothing' };

// ---- what happened

export type Outcome =
  | { kind: 'running' }
  | { kind: 'ok' }
  | { kind: 'cancelled' }
  | { kind: 'error'; message: string };

export type Call = {
  id: number;
  at: Time;
  caller: string;
  method: string;
  tool: string | null;
  ms: number | null;
  outcome: Outcome;
  requestBytes: number;
  answerBytes: number | null;
  /** Only while recording. */
  payload: { request: string; answer: string | null } | null;
};

export type LogLine = { seq: number; at: Time; text: string };

// ---- the editor

/** A secret in a form. What is saved shows only where it is kept. */
export type SecretField =
  | { kind: 'none' }
  /** In the keychain; stays as it is. */
  | { kind: 'saved' }
  /** Typed now; goes to the keychain with Save. Never sent by the back end. */
  | { kind: 'typed'; text: string }
  | { kind: 'environment'; variable: string }
  | { kind: 'file'; path: string }
  | { kind: 'command'; command: string }
  /** systemd's, on servers; shown where a file has it. */
  | { kind: 'credential'; name: string }
  /** Written out in a file by hand; stays as it is. Never sent by either side. */
  | { kind: 'literal' };

export type PairValue = { kind: 'plain'; text: string } | { kind: 'secret'; secret: SecretField };

/** A variable or a header. */
export type Pair = { name: string; value: PairValue };

export type LocalServer =
  | { kind: 'commandLine'; line: string; environment: Pair[]; folder: string }
  | { kind: 'command'; program: string; arguments: string[]; environment: Pair[]; folder: string }
  | { kind: 'streamableHttp'; url: string; headers: Pair[]; forwardAuth: ForwardAuth }
  | { kind: 'sse'; url: string; headers: Pair[]; forwardAuth: ForwardAuth };

/** Which headers of callers the local server may be handed. */
export type ForwardAuth = { kind: 'none' } | { kind: 'headers'; names: string[] };

export type GatewayField =
  | { kind: 'builtIn' }
  /** Without a token of its own it gets the profile's. */
  | { kind: 'url'; url: string; ownToken: SecretField | null };

/** The options that are one text each; an absent one has its default. */
export type OptionKey =
  | 'server_description'
  | 'transport'
  | 'reconnect_delay'
  | 'max_retries'
  | 'keepalive'
  | 'request_timeout'
  | 'single_child'
  | 'max_sessions'
  | 'warm_spare'
  | 'max_message_size'
  | 'start_timeout'
  | 'allow_plaintext';

/** Whether it starts with Culvert: as it was when last seen, always, never. */
export type Start = 'last' | 'always' | 'never';

export type Label = { name: string; value: string };

/** A profile as the editor holds it: text as typed, right or wrong. */
export type Draft = {
  /** null: not saved yet. */
  id: ProfileId | null;
  name: string;
  server: LocalServer;
  gateways: GatewayField[];
  token: SecretField;
  start: Start;
  labels: Label[];
  options: Partial<Record<OptionKey, string>>;
};

/** Where a finding belongs; `index` counts rows. */
export type Field =
  | { kind: 'name' }
  | { kind: 'server' }
  | { kind: 'argument'; index: number }
  | { kind: 'pair'; index: number }
  | { kind: 'folder' }
  | { kind: 'gateway'; index: number }
  | { kind: 'gatewayToken'; index: number }
  | { kind: 'token' }
  | { kind: 'label'; index: number }
  | { kind: 'forwardAuth'; index: number }
  | { kind: 'option'; key: OptionKey };

export type Finding = { field: Field; severity: 'error' | 'warning'; why: Explained };

export type Checked = {
  findings: Finding[];
  /** The name as it would be registered, placeholders filled in. */
  registeredName: string | null;
  /** A command line as it is split, for the form with a command and its arguments. */
  words: string[] | null;
  /** Where the command was found, and how one came to look there. */
  program: { path: string; from: 'path' | 'loginShell' } | null;
};

/** What becomes of a file that cannot be read when a profile is saved over it. */
export type OnBroken = 'refuse' | 'keepAside';

export type Saved = { kind: 'saved'; id: ProfileId } | { kind: 'refused'; findings: Finding[] };

export type StepState =
  | { kind: 'pending' }
  | { kind: 'running' }
  | { kind: 'passed'; summary: string }
  | { kind: 'warned'; why: Explained }
  | { kind: 'failed'; why: Explained }
  | { kind: 'skipped'; because: string };

/** One of doctor's checks. The first message lists all as pending; later ones replace by id. */
export type TestStep = { id: string; title: string; state: StepState };

// ---- import

/** Something a found command lacks, such as an API key that the file left as a placeholder. */
export type Need = {
  id: string;
  /** What its app would ask, else the name of the variable. */
  label: string;
  visibility: 'shown' | 'hidden';
  /** What its app would propose. */
  proposed: string | null;
  /** What to choose from; any text where empty. */
  options: string[];
};

export type FoundServer = {
  key: string;
  name: string;
  /** The project that its app uses it in, if only one. */
  project: string | null;
  command: WholeCommand;
  needs: Need[];
  presence: 'new' | 'known';
  warnings: string[];
};

export type FoundSource = {
  app: string;
  path: string;
  servers: FoundServer[];
  /** Why the file, or an entry of it, cannot be read. */
  troubles: Explained[];
};

/** A choice; `values` answers its needs by their ids. */
export type Pick = { path: string; key: string; values: Record<string, string> };

export type Imported = { ids: ProfileId[]; refused: { name: string; why: Explained }[] };

// ---- use in

export type Client = 'claudeCode' | 'cursor' | 'vsCode' | 'mcpJson' | 'curl';

/** All that the page hears of what is on the clipboard. */
export type Copied = { kind: 'withToken'; until: Time } | { kind: 'withPlaceholder'; why: Explained };
