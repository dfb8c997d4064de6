// The worlds that `?scenario=` chooses from.

import type { Profile, World } from '../types';
import { causes, changed, inState, online, profile, usual, withHeldTools } from './profiles';

export type Scenario = { world: World; delay: number };

function world(profiles: Profile[], more: Partial<World> = {}): World {
  return {
    profiles,
    gateway: { kind: 'off' },
    gatewayPort: 4444,
    keychain: { kind: 'ready' },
    tray: { kind: 'shown' },
    settings: { launchAtLogin: 'on', notifications: 'on' },
    ...more,
  };
}

function one(name: string, profiles: Profile[], to: (profile: Profile) => Profile): Profile[] {
  return profiles.map((profile) => (profile.name === name ? to(profile) : profile));
}

export function scenario(name: string, now: number): Scenario {
  const known = usual(now);
  const only = (name: string) => known.filter((profile) => profile.name === name);
  const scenarios: Record<string, () => World> = {
    usual: () => world(known),
    empty: () => world([]),
    well: () => world(known.filter((profile) => profile.name !== 'db')),
    rejected: () => world(only('db')),
    locked: () => world(one('db', known, (db) => inState(db, { kind: 'stopped', cause: causes.locked })), { keychain: { kind: 'locked' } }),
    noKeychain: () =>
      world(one('db', known, (db) => inState(db, { kind: 'stopped', cause: causes.missing })), {
        keychain: { kind: 'missing', why: causes.missing },
      }),
    noTray: () => world(known, { tray: { kind: 'absent', why: causes.noTray } }),
    crashLoop: () => world([profile(now, 'time', 'uvx mcp-server-time', { kind: 'stopped', cause: causes.crashed })]),
    waiting: () =>
      world(one('git', only('git'), (git) => inState(git, { kind: 'waiting', attempt: 3, retryAt: now + 40_000, cause: causes.lookup }))),
    changed: () => world([changed(now)]),
    broken: () =>
      world(
        one('git', only('git'), (git) => ({
          ...git,
          mark: 'attention',
          words: 'its file cannot be read',
          said: 'its file cannot be read',
          problem: { kind: 'brokenFile', path: '/home/ada/.config/culvert/profiles/git.yaml', line: 7, column: 14, why: causes.yaml },
        })),
      ),
    heldTools: () => world(known.map((profile) => (profile.name === 'git' ? withHeldTools(profile) : profile))),
    foreign: () => world(only('git').map((git) => ({ ...git, file: { kind: 'foreign', path: '/home/ada/servers.yaml' } }))),
    gatewayOn: () => world(known, { gateway: { kind: 'on', address: 'http://127.0.0.1:4444' } }),
    portTaken: () => world(known, { gateway: { kind: 'failed', cause: causes.portTaken } }),
    slow: () => world(known),
    many: () =>
      world(
        Array.from({ length: 40 }, (_, n) =>
          profile(now, `server-${String(n + 1).padStart(2, '0')}`, `uvx mcp-server-${n + 1}`, online(now, 10 + n, [], 60_000 * n, `s${n}`)),
        ),
      ),
  };
  return { world: (scenarios[name] ?? scenarios['usual'] ?? (() => world([])))(), delay: name === 'slow' ? 1500 : 0 };
}
