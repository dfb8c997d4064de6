// What is said aloud, and the note at the window's foot. A change of state is said once,
// politely; a stop that needs the user, and a command that failed, assertively.

import { sentence } from './format';
import type { Explained, Profile, World } from './types';
import { told } from './words';

const NOTE_STAYS = 8000;

export class Announcer {
  polite = $state('');
  assertive = $state('');
  note = $state.raw<{ text: string; manner: 'plain' | 'bad' } | null>(null);
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Shown at the foot for a while, and said politely. */
  done(text: string): void {
    this.polite = again(this.polite, text);
    this.show({ text, manner: 'plain' });
  }

  /** The same for what failed, assertively; stays until the next. */
  trouble(text: string): void {
    this.assertive = again(this.assertive, text);
    this.show({ text, manner: 'bad' });
  }

  failed({ message, action }: Explained): void {
    this.trouble(`${sentence(message)} ${action}`.trim());
  }

  /** Said, not shown: the eye sees it already. */
  quietly(text: string): void {
    this.polite = again(this.polite, text);
  }

  hide(): void {
    clearTimeout(this.timer);
    this.note = null;
  }

  changes(before: World | null, now: World): void {
    if (!before) return;
    const stops: string[] = [];
    const rest: string[] = [];
    for (const profile of now.profiles) {
      const old = before.profiles.find((other) => other.id === profile.id);
      if (!old || old.said === profile.said) continue;
      (stopped(profile) ? stops : rest).push(told(profile.name, profile.said));
    }
    if (rest.length > 0) this.polite = again(this.polite, rest.join('; '));
    if (stops.length > 0) this.assertive = again(this.assertive, stops.join('; '));
  }

  private show(note: { text: string; manner: 'plain' | 'bad' }): void {
    clearTimeout(this.timer);
    this.note = note;
    if (note.manner === 'plain') this.timer = setTimeout(() => (this.note = null), NOTE_STAYS);
  }
}

function stopped(profile: Profile): boolean {
  return profile.wanted === 'on' && profile.status.kind === 'stopped';
}

/** The same words twice are two announcements: a live region only speaks when it changes. */
function again(before: string, text: string): string {
  return before === text ? `${text}\u00a0` : text;
}
