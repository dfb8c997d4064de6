// Profiles of the fake world, in the states that the window has to show.

import type { Explained, Mark, Problem, Process, Profile, Status, Tunnel, WholeCommand } from '../types';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const GATEWAY = 'https://gw.example.com';

export const causes = {
  rejected: {
    code: 'auth.rejected',
    message: '401 Unauthorized: the gateway https://gw.example.com rejected the token: signature has expired',
    action: 'Paste a new one, made with the gateway’s own signing secret.',
  },
  lookup: {
    code: 'gateway.lookup',
    message: 'the name of the gateway https://gw.example.com cannot be looked up: no network',
    action: 'Check the host name in the gateway’s URL, and that this machine is online.',
  },
  locked: {
    code: 'keychain.locked',
    message: 'the keychain that holds the token is locked',
    action: 'Unlock it, or keep the token in a variable or a file.',
  },
  missing: {
    code: 'keychain.missing',
    message: 'this desktop has no keychain that Culvert can reach',
    action: 'Install one such as gnome-keyring, or keep the token in a variable or a file.',
  },
  crashed: {
    code: 'server.failed_to_start',
    message: 'Subprocess not running: the local server exited with code 1 before it answered: ModuleNotFoundError: No module named ’tzdata’',
    action: 'Run the same command by hand to see what it wants.',
  },
  yaml: { code: 'config.syntax', message: 'A quote is not closed.', action: 'Correct the file, or save the profile here to replace it.' },
  portTaken: {
    code: 'gateway.port_taken',
    message: 'another program listens on port 4444',
    action: 'Choose another port and switch the gateway on again.',
  },
  held: {
    code: 'tools.held',
    message: '2 tools are new or have changed, and are held back',
    action: 'Look at what has changed, then approve it or keep it blocked.',
  },
  noTray: {
    code: 'tray.absent',
    message: 'This desktop shows no tray icons.',
    action: 'On GNOME, the extension AppIndicator brings them. Start Culvert again to come back to this window.',
  },
} satisfies Record<string, Explained>;

export function online(now: number, roundTripMs: number, inUseBy: string[], ago: number, name: string): Status {
  return {
    kind: 'online',
    since: now - ago,
    transport: 'ws',
    roundTripMs,
    server: { kind: 'ready' },
    tools: 12,
    inUseBy,
    notices: [],
    url: `${GATEWAY}/servers/${name}/mcp`,
  };
}

export function words(status: Status): { mark: Mark; words: string; said: string } {
  switch (status.kind) {
    case 'online': {
      if (status.notices.some(({ code }) => code === causes.held.code)) return { mark: 'attention', words: '2 tools changed', said: '2 tools changed' };
      const users = status.inUseBy.length > 0 ? `, in use by ${[...new Set(status.inUseBy)].join(', ')}` : '';
      return { mark: 'online', words: `online, ${status.roundTripMs ?? 0} ms${users}`, said: 'online' };
    }
    case 'starting':
    case 'connecting':
    case 'registering':
      return { mark: 'connecting', words: 'connecting', said: 'connecting' };
    case 'waiting':
      return { mark: 'connecting', words: 'waiting for the network', said: 'waiting for the network' };
    case 'stopped': {
      const said: Record<string, string> = {
        'auth.rejected': 'token rejected',
        'keychain.locked': 'keychain locked',
        'keychain.missing': 'no keychain',
        'server.failed_to_start': 'server does not start',
      };
      const word = (status.cause && said[status.cause.code]) ?? 'stopped';
      return { mark: status.cause ? 'attention' : 'off', words: word, said: word };
    }
    default:
      return { mark: 'off', words: 'off', said: 'off' };
  }
}

function problemOf(status: Status): Problem | null {
  const held = status.kind === 'online' && status.notices.find(({ code }) => code === causes.held.code);
  if (held) return { kind: 'toolsHeld', why: held };
  if (status.kind !== 'stopped' || !status.cause) return null;
  const why = status.cause;
  if (why.code.startsWith('auth.')) return { kind: 'token', why, gateway: null };
  if (why.code === 'keychain.locked') return { kind: 'keychainLocked', why };
  if (why.code === 'keychain.missing') return { kind: 'keychainMissing', why };
  return { kind: 'other', why };
}

/** One that is nobody's alone, and one for each session. */
function processesOf(status: Status): Process[] {
  const sessions = status.kind === 'online' ? status.inUseBy : [];
  return [null, ...sessions].map((session, n) => ({ pid: 4211 + 7 * n, memoryBytes: 41_000_000 - 3_000_000 * n, session }));
}

/** The same profile in another state, with everything that follows from it. */
export function inState(profile: Profile, status: Status): Profile {
  const running = status.kind !== 'off' && status.kind !== 'stopped';
  const tunnels = profile.tunnels.map((tunnel): Tunnel => ({
    ...tunnel,
    status,
    processes: running ? processesOf(status) : [],
  }));
  return { ...profile, ...words(status), status, tunnels, problem: problemOf(status) };
}

export function profile(now: number, name: string, server: string, status: Status, more: Partial<Profile> = {}): Profile {
  const builtIn = more.token?.place.kind === 'builtIn';
  const plain: Profile = {
    id: name,
    name,
    wanted: status.kind === 'off' ? 'off' : 'on',
    mark: 'off',
    words: '',
    said: '',
    status,
    problem: null,
    server,
    tunnels: [
      {
        gateway: builtIn ? '127.0.0.1:4444' : new URL(GATEWAY).host,
        url: builtIn ? 'http://127.0.0.1:4444' : GATEWAY,
        builtIn,
        status,
        processes: [],
        ownToken: null,
      },
    ],
    token: { place: { kind: 'keychain' }, expires: now + 23 * DAY + HOUR },
    calls: { today: 0, errors: 0, byHour: [] },
    sharedUntil: null,
    file: { kind: 'own' },
    ...more,
  };
  return inState(plain, status);
}

export function usual(now: number): Profile[] {
  return [
    profile(now, 'db', 'uvx mcp-server-postgres postgresql://127.0.0.1/shop', { kind: 'stopped', cause: causes.rejected }, {
      token: { place: { kind: 'keychain' }, expires: now - 2 * DAY },
      calls: { today: 3, errors: 3, byHour: [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0] },
    }),
    profile(now, 'files', 'npx -y @modelcontextprotocol/server-filesystem /home/ada/notes', online(now, 15, ['claude'], 52 * MINUTE, 'files'), {
      calls: { today: 38, errors: 0, byHour: [0, 0, 4, 6, 0, 2, 0, 9, 11, 3, 1, 2] },
    }),
    profile(now, 'git', 'uvx mcp-server-git', online(now, 12, ['claude'], 3 * HOUR + 12 * MINUTE, 'git'), {
      calls: { today: 214, errors: 2, byHour: [4, 9, 22, 12, 8, 6, 31, 40, 37, 20, 14, 11] },
    }),
    profile(now, 'time', 'uvx mcp-server-time', { kind: 'off' }, { token: { place: { kind: 'builtIn' }, expires: null } }),
  ];
}

export function withHeldTools(git: Profile): Profile {
  return git.status.kind === 'online' ? inState(git, { ...git.status, notices: [causes.held] }) : git;
}

const AFTER = 'uvx --from git+https://github.com/someone/fork mcp-server-git --repository /home/ada';

export function changed(now: number): Profile {
  const command = (line: string, programs: string[]): WholeCommand => ({
    kind: 'command',
    line,
    folder: '/home/ada/code',
    environment: [{ name: 'GIT_AUTHOR_NAME', value: 'Ada' }, { name: 'GITHUB_TOKEN', value: null }],
    programs,
  });
  const before = command('uvx mcp-server-git --repository /home/ada/code', []);
  const after = command(AFTER, ['pass show github']);
  return {
    ...profile(now, 'git', AFTER, { kind: 'stopped', cause: null }),
    mark: 'attention',
    words: 'command changed',
    said: 'command changed',
    problem: { kind: 'commandChanged', before, now: after, fingerprint: 'sha256:5f70bf18' },
  };
}
