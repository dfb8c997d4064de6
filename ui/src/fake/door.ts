// The door to a world in memory: believable, and driven by `?scenario=` and by tests.

import type { Door, Stop } from '../door';
import type { Event, Explained, Pick, Profile, ProfileId, Status, Switch, ToolDecision, World } from '../types';
import { check, defaults, draftOf, lineOf, newDraft, noToken } from './drafts';
import { causes, inState, online, profile } from './profiles';
import { scenario } from './scenarios';
import { decided, firstRules, toolsOf, waiting, wished, type Rules } from './tools';
import { calls, found, logLine, steps, support } from './stories';

const STEP = 60;
const DAY = 86_400_000;

/** What tests reach for. */
export interface Fake {
  /** What was put on the clipboard, oldest first. */
  clipboard: string[];
  /** How closeWindow was called. */
  closed: string[];
  saved: unknown[];
  agreed: string[];
  decisions: ToolDecision[];
  /** What was begun and not wanted to its end. */
  abandoned: string[];
  set(id: ProfileId, status: Status): void;
  send(event: Event): void;
  log(text: string): void;
  refuse(explained: Explained | null): void;
}

declare global {
  interface Window {
    culvertFake: Fake;
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export function openFake(): Door {
  const { world: first, delay } = scenario(new URLSearchParams(location.search).get('scenario') ?? 'usual', Date.now());
  let world: World = first;
  let hear: (event: Event) => void = () => {};
  let held: Switch = 'off';
  let told = false;
  let refusal: Explained | null = null;
  const rules = new Map<ProfileId, Rules>();
  const rulesOf = (id: ProfileId) => rules.get(id) ?? firstRules(the(id));
  let tellTools = () => {};
  let logTo: ((text: string) => void) | null = null;

  const fake: Fake = {
    clipboard: [],
    closed: [],
    saved: [],
    agreed: [],
    decisions: [],
    abandoned: [],
    set: (id, status) => update(id, (profile) => inState(profile, status)),
    send: (event) => hear(event),
    log: (text) => logTo?.(text),
    refuse: (explained) => (refusal = explained),
  };
  window.culvertFake = fake;

  function change(more: Partial<World>): void {
    world = { ...world, ...more };
    hear({ kind: 'world', world });
  }

  function update(id: ProfileId, to: (profile: Profile) => Profile): void {
    change({ profiles: world.profiles.map((each) => (each.id === id ? to(each) : each)) });
  }

  function the(id: ProfileId): Profile {
    const found = world.profiles.find((profile) => profile.id === id);
    if (!found) throw { code: 'profile.gone', message: 'This profile is not there any more.', action: 'Look at the list again.' };
    return found;
  }

  function add(profile: Profile): void {
    change({ profiles: [...world.profiles.filter(({ id }) => id !== profile.id), profile].sort((a, b) => a.name.localeCompare(b.name)) });
  }

  async function connect(id: ProfileId): Promise<void> {
    const { name } = the(id);
    for (const status of [{ kind: 'connecting' }, { kind: 'registering' }, online(Date.now(), 12, [], 0, name)] satisfies Status[]) {
      if (world.profiles.find((each) => each.id === id)?.wanted !== 'on') return;
      update(id, (profile) => inState(profile, status));
      await pause(STEP);
    }
  }

  async function want(id: ProfileId, wanted: Switch): Promise<void> {
    const { problem } = the(id);
    update(id, (profile) => ({ ...profile, wanted, sharedUntil: null }));
    if (wanted === 'off') update(id, (profile) => inState(profile, { kind: 'off' }));
    else if (problem?.kind !== 'commandChanged') void connect(id);
  }

  /** What each command does before its own work: takes its time, or fails if a test says so. */
  async function gate(): Promise<void> {
    await pause(delay);
    if (!refusal) return;
    const thrown = refusal;
    refusal = null;
    throw thrown;
  }

  return {
    facts: async () => ({ version: '0.1.0', platform: 'linux', defaults, tryCommand: 'uvx mcp-server-time' }),
    async listen(on) {
      hear = on;
      on({ kind: 'world', world });
      return () => (hear = () => {});
    },

    want: async (id, wanted) => (await gate(), want(id, wanted)),
    reconnect: async (id) => (await gate(), void connect(id)),
    async shareForAnHour(id) {
      await gate();
      await want(id, 'on');
      update(id, (profile) => ({ ...profile, sharedUntil: Date.now() + 3_600_000 }));
    },

    newDraft: async () => (await gate(), newDraft()),
    read: async (id) => (await gate(), draftOf(the(id))),
    check: async (draft) => check(draft),
    async save(draft, onBroken) {
      await gate();
      if (onBroken === 'refuse' && world.profiles.some(({ id, problem }) => id === draft.id && problem?.kind === 'brokenFile')) throw causes.yaml;
      const { findings, registeredName } = check(draft);
      if (findings.some((finding) => finding.severity === 'error')) return { kind: 'refused', findings };
      fake.saved.push(draft);
      const name = draft.name || registeredName || 'server';
      const before = world.profiles.find(({ id }) => id === draft.id);
      const builtIn = draft.gateways.every((gateway) => gateway.kind === 'builtIn');
      const made = profile(Date.now(), name, lineOf(draft), before?.status ?? { kind: 'off' }, {
        token: builtIn ? { place: { kind: 'builtIn' }, expires: null } : { place: { kind: 'keychain' }, expires: Date.now() + 30 * DAY },
      });
      add({ ...made, id: before?.id ?? name });
      return { kind: 'saved', id: before?.id ?? name };
    },
    async remove(id) {
      await gate();
      change({ profiles: world.profiles.filter((profile) => profile.id !== id) });
    },
    async test(draft, on, cancel) {
      const plan = steps(draft);
      on(plan.map((step) => ({ ...step, state: { kind: 'pending' } })));
      for (const step of plan) {
        if (cancel.aborted) return;
        if (step.state.kind !== 'skipped') on([{ ...step, state: { kind: 'running' } }]);
        await pause(STEP + delay);
        on([step]);
      }
    },
    async agree(id, fingerprint) {
      await gate();
      fake.agreed.push(fingerprint);
      update(id, (profile) => ({ ...profile, problem: null }));
      await want(id, 'on');
    },
    async tryIt() {
      await gate();
      change({ gateway: { kind: 'on', address: 'http://127.0.0.1:4444' } });
      add(profile(Date.now(), 'time', 'uvx mcp-server-time', { kind: 'off' }, { token: { place: { kind: 'builtIn' }, expires: null } }));
      await want('time', 'on');
      return 'time';
    },

    async setToken(id, _gateway, token) {
      await gate();
      if (token === 'bad') throw causes.locked;
      update(id, (profile) => ({ ...profile, token: { place: { kind: 'keychain' }, expires: Date.now() + 30 * DAY } }));
    },
    async unlockKeychain() {
      change({ keychain: { kind: 'unlocking' } });
      await pause(STEP + delay);
      change({ keychain: { kind: 'ready' } });
      for (const { id, problem } of world.profiles) if (problem?.kind.startsWith('keychain')) void connect(id);
    },

    async findImports(file) {
      await gate();
      if (file === null) return found();
      throw { code: 'import.not_found', message: `There is no file ${file}.`, action: 'Check the path.' } satisfies Explained;
    },
    async import(picks: Pick[], gateway) {
      await gate();
      for (const { key } of picks) {
        const command = found().flatMap(({ servers }) => servers).find((server) => server.key === key)?.command;
        const token = gateway.kind === 'builtIn' ? { place: { kind: 'builtIn' } as const, expires: null } : { place: { kind: 'none' } as const, expires: null };
        add(profile(Date.now(), key, command?.kind === 'url' ? command.url : (command?.line ?? key), { kind: 'off' }, { token }));
      }
      return { ids: picks.map(({ key }) => key), refused: [] };
    },

    async watchCalls(_id, on) {
      on(calls(Date.now()));
      return nothing;
    },
    async watchLog(_id, on): Promise<Stop> {
      const LINES = 240;
      let seq = LINES;
      on(Array.from({ length: LINES }, (_, n) => logLine(n, Date.now() - (LINES - n) * 1900)));
      logTo = (text) => on([{ seq: seq++, at: Date.now(), text }]);
      return () => (logTo = null);
    },
    clearLog: async () => {},

    async watchTools(id, on): Promise<Stop> {
      const tell = () => on(toolsOf(the(id), rulesOf(id)));
      tell();
      tellTools = tell;
      return () => (tellTools = () => {});
    },
    async wishTools(id, wish) {
      await gate();
      rules.set(id, wished(rulesOf(id), wish));
      tellTools();
    },
    async decideTools(id, decisions) {
      await gate();
      rules.set(id, decided(rulesOf(id), decisions));
      fake.decisions.push(...decisions);
      const { status } = the(id);
      if (waiting(rulesOf(id)) === 0 && status.kind === 'online') update(id, (profile) => inState(profile, { ...status, notices: [] }));
      tellTools();
    },

    set: async (settings) => (await gate(), change({ settings })),
    async setGateway(wanted, gatewayPort) {
      await gate();
      if (wanted === 'off') return change({ gateway: { kind: 'off' }, gatewayPort });
      change({ gateway: { kind: 'starting' }, gatewayPort });
      await pause(STEP);
      change({ gateway: { kind: 'on', address: `http://127.0.0.1:${gatewayPort}` } });
    },
    async useGateway(id) {
      await gate();
      const address = `127.0.0.1:${world.gatewayPort}`;
      update(id, (profile) => ({
        ...profile,
        tunnels: [
          ...profile.tunnels,
          { gateway: address, url: `http://${address}`, builtIn: true, status: profile.status, processes: [], ownToken: null },
        ],
      }));
    },

    async gatherSupport(cancel) {
      cancel.addEventListener('abort', () => fake.abandoned.push('support'));
      await pause(STEP + delay);
      return cancel.aborted ? null : support();
    },
    saveSupport: async () => (await gate(), '/home/ada/Downloads/culvert-support-2026-11-22T14-05-00Z.txt'),

    async useIn(id, client) {
      await gate();
      const { name, problem } = the(id);
      fake.clipboard.push(`entry for ${client}: ${name}`);
      return problem ? { kind: 'withPlaceholder', why: noToken } : { kind: 'withToken', until: Date.now() + 30 * DAY };
    },
    copy: async (text) => (await gate(), void fake.clipboard.push(text)),
    holdClose: async (to) => void (held = to),
    async closeWindow(how) {
      if (how === 'ask' && (held === 'on' || !told)) {
        hear({ kind: 'closing', say: told ? 'nothing' : 'tunnelsStay' });
        told = true;
      } else fake.closed.push(how);
    },
  };
}

const nothing: Stop = () => {};
