// What the window holds in common: the world as last told, where one is, and the few
// things that any view may do. Views own the rest.

import { onMount, tick } from 'svelte';
import { Announcer } from './announce.svelte';
import { explained, type Door, type Stop } from './door';
import type { Event, Facts, Place, Profile, ProfileId, World } from './types';
import * as words from './words';

export type Tab = 'overview' | 'activity' | 'tools' | 'log' | 'edit';
export const TABS: Tab[] = ['overview', 'activity', 'tools', 'log', 'edit'];

export type Where =
  | { kind: 'empty' }
  | { kind: 'profile'; id: ProfileId; tab: Tab }
  | { kind: 'new' }
  | { kind: 'import' }
  | { kind: 'settings' }
  | { kind: 'support' };

/** A question with up to three answers; the first is the proposed one. */
export type Question = {
  title: string;
  text: string;
  answers: { id: string; label: string; manner: 'main' | 'danger' | 'plain' }[];
};

export class App {
  readonly say = new Announcer();
  world = $state.raw<World | null>(null);
  where = $state.raw<Where>({ kind: 'empty' });
  /** Which of the two pages shows when there is room for one. */
  page = $state<'list' | 'detail'>('list');
  query = $state('');
  about = $state(false);
  question = $state.raw<(Question & { answer: (id: string) => void }) | null>(null);
  /** Whole minutes are all that is shown of time. */
  now = $state(Date.now());
  /** The editor's: whether one may leave it. */
  guard: (() => Promise<boolean>) | null = null;

  readonly door: Door;
  readonly facts: Facts;

  constructor(door: Door, facts: Facts) {
    this.door = door;
    this.facts = facts;
  }

  get profiles(): Profile[] {
    return this.world?.profiles ?? [];
  }

  get shown(): Profile[] {
    const wanted = this.query.trim().toLowerCase();
    return this.profiles.filter((profile) => `${profile.name} ${profile.server}`.toLowerCase().includes(wanted));
  }

  get profile(): Profile | null {
    const where = this.where;
    return where.kind === 'profile' ? (this.profiles.find((profile) => profile.id === where.id) ?? null) : null;
  }

  hear(event: Event): void {
    switch (event.kind) {
      case 'world':
        this.say.changes(this.world, event.world);
        this.world = event.world;
        this.settle();
        break;
      case 'show':
        void this.show(event.place);
        break;
      case 'closing':
        void this.closing(event.say);
        break;
    }
  }

  /** Keeps `where` on something that exists. */
  private settle(): void {
    const gone = this.where.kind === 'empty' || (this.where.kind === 'profile' && this.profile === null);
    if (!gone) return;
    const next = this.profiles[0];
    this.where = next ? { kind: 'profile', id: next.id, tab: 'overview' } : { kind: 'empty' };
    if (!next) this.page = 'detail';
  }

  private async show(place: Place): Promise<void> {
    if (place.kind === 'about') this.about = true;
    else if (place.kind === 'profile') await this.open(place.id);
    else await this.go({ kind: place.kind });
  }

  private async closing(say: 'tunnelsStay' | 'nothing'): Promise<void> {
    if (this.guard && !(await this.guard())) return;
    const { title, text, yes } = words.closing;
    const answers: Question['answers'] = [
      { id: 'yes', label: yes, manner: 'main' },
      { id: 'no', label: words.common.cancel, manner: 'plain' },
    ];
    if (say === 'tunnelsStay' && (await this.ask({ title, text, answers })) !== 'yes') return;
    await this.do(() => this.door.closeWindow('now'));
  }

  /** Goes there unless the editor holds back; says whether it went. */
  async go(where: Where, page: 'list' | 'detail' = 'detail'): Promise<boolean> {
    if (this.guard && !(await this.guard())) return false;
    this.where = where;
    this.page = page;
    await tick();
    return true;
  }

  open(id: ProfileId, tab?: Tab, page?: 'list' | 'detail'): Promise<boolean> {
    const kept = this.where.kind === 'profile' && this.where.tab !== 'edit' ? this.where.tab : 'overview';
    return this.go({ kind: 'profile', id, tab: tab ?? kept }, page);
  }

  /** Where Esc leads: from a page to the profiles, from a profile to the list. */
  back(): Promise<boolean> {
    if (this.where.kind === 'support') return this.go({ kind: 'settings' });
    const first = this.profiles[0];
    if (!first) return this.go({ kind: 'empty' });
    return this.where.kind === 'profile' ? this.go(this.where, 'list') : this.open(first.id, 'overview', 'list');
  }

  ask(question: Question): Promise<string> {
    return new Promise((resolve) => {
      this.question = {
        ...question,
        answer: (id) => {
          this.question = null;
          resolve(id);
        },
      };
    });
  }

  /** Does it, and tells when it could not be done. */
  async do<T>(deed: () => Promise<T>): Promise<T | undefined> {
    try {
      return await deed();
    } catch (thrown) {
      this.say.failed(explained(thrown));
      return undefined;
    }
  }

  toggle(profile: Profile): Promise<void> {
    return this.do(() => this.door.want(profile.id, profile.wanted === 'on' ? 'off' : 'on')) as Promise<void>;
  }
}

/** The one there is; `main.ts` starts it before anything is shown. */
export let app: App;

export function start(door: Door, facts: Facts): App {
  return (app = new App(door, facts));
}

/** Listens for as long as the component is there. */
export function whileShown(watch: () => Promise<Stop>): void {
  onMount(() => {
    const stop = app.do(watch);
    return () => void stop.then((end) => end?.());
  });
}

/** An id may be a name, with any character in it. */
export function focusProfile(id: ProfileId): Promise<void> {
  return focus(`[data-profile="${CSS.escape(id)}"]`);
}

const APPEARS_WITHIN = 3000;

/** Puts the focus there, as soon as it is there: a page may still be waiting for what it shows. */
export async function focus(selector: string): Promise<void> {
  await tick();
  const end = Date.now() + APPEARS_WITHIN;
  for (;;) {
    const found = document.querySelector<HTMLElement>(selector);
    if (found) return found.focus();
    if (Date.now() > end) return;
    await new Promise((resolve) => setTimeout(resolve, 16));
  }
}
