// The only way from the window to the back end. `door/tauri.ts` speaks to Rust,
// `fake/` is a world in memory for a plain browser. Every promise that fails
// rejects with an `Explained`.

import type {
  Call, Checked, Client, Copied, Draft, Event, Explained, Facts, FoundSource, GatewayField, Imported, LogLine, OnBroken,
  Pick, ProfileId, Saved, Settings, Switch, TestStep, ToolDecision, Tools, ToolsWish,
} from './types';

/** Ends a subscription. Calling it twice does no harm. */
export type Stop = () => void;

export interface Door {
  // -- read once, then listen
  facts(): Promise<Facts>;
  /** The first event is always a whole world. */
  listen(on: (event: Event) => void): Promise<Stop>;

  // -- switching
  want(id: ProfileId, wanted: Switch): Promise<void>;
  reconnect(id: ProfileId): Promise<void>;
  /** On now, off in an hour. */
  shareForAnHour(id: ProfileId): Promise<void>;

  // -- profiles
  newDraft(): Promise<Draft>;
  read(id: ProfileId): Promise<Draft>;
  /** The engine's own rules on an unsaved form. */
  check(draft: Draft): Promise<Checked>;
  /** A secret that the draft no longer keeps in the keychain is deleted there. */
  save(draft: Draft, onBroken: OnBroken): Promise<Saved>;
  /** Ends its tunnels, deletes its file and its secrets. */
  remove(id: ProfileId): Promise<void>;
  /** Runs doctor's checks on an unsaved form. Resolves when the last has ended or `cancel` is aborted. */
  test(draft: Draft, on: (steps: TestStep[]) => void, cancel: AbortSignal): Promise<void>;
  /** Agrees to the changed command that was shown, and to no other. */
  agree(id: ProfileId, fingerprint: string): Promise<void>;
  /** Makes, saves and connects the profile of "Try it", with the built-in gateway. */
  tryIt(): Promise<ProfileId>;

  // -- tokens: in, never out
  /** The profile's, or, with a URL, that gateway's own. A running tunnel takes it up at once. */
  setToken(id: ProfileId, gateway: string | null, token: string): Promise<void>;
  unlockKeychain(): Promise<void>;

  // -- import
  /** Looks in the places that other apps use, or in the one file given. */
  findImports(file: string | null): Promise<FoundSource[]>;
  import(picks: Pick[], gateway: GatewayField): Promise<Imported>;

  // -- what happened
  watchCalls(id: ProfileId, on: (calls: Call[]) => void): Promise<Stop>;
  watchLog(id: ProfileId, on: (lines: LogLine[]) => void): Promise<Stop>;
  clearLog(id: ProfileId): Promise<void>;

  // -- tools
  watchTools(id: ProfileId, on: (tools: Tools) => void): Promise<Stop>;
  /** Holds at once. */
  wishTools(id: ProfileId, wish: ToolsWish): Promise<void>;
  /** All of these, as they were shown, or none. */
  decideTools(id: ProfileId, decisions: ToolDecision[]): Promise<void>;

  // -- settings
  set(settings: Settings): Promise<void>;
  setGateway(wanted: Switch, port: number): Promise<void>;
  /** Adds the built-in gateway to a profile. */
  useGateway(id: ProfileId): Promise<void>;

  // -- for somebody who helps
  /** Gathers it and tries every server once; null once `cancel` is aborted. */
  gatherSupport(cancel: AbortSignal): Promise<string | null>;
  /** Saves what was gathered last, in a file of its own; says where. */
  saveSupport(): Promise<string>;

  // -- clipboard and window
  /** Puts a ready entry on the clipboard; the page hears only that it happened. */
  useIn(id: ProfileId, client: Client): Promise<Copied>;
  /** Puts text that the page shows on the clipboard. */
  copy(text: string): Promise<void>;
  /** While on, a close is held back and told as `closing`: there is something unsaved. */
  holdClose(held: Switch): Promise<void>;
  /** `ask` is what the window's own close button does; `now` closes without another word. */
  closeWindow(how: 'ask' | 'now'): Promise<void>;
}

/** What was thrown, as something that can be shown. */
export function explained(thrown: unknown): Explained {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown && 'action' in thrown) {
    return { code: String(thrown.code), message: String(thrown.message), action: String(thrown.action) };
  }
  return { code: 'internal', message: String(thrown), action: 'Please report this with the log.' };
}

export async function openDoor(): Promise<Door> {
  if (import.meta.env.MODE === 'fake') return (await import('./fake/door')).openFake();
  return (await import('./door/tauri')).openTauri();
}
