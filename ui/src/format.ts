// Times, sizes and counts as people say them.

import type { Time } from './types';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Causes are written to follow a "culvert: ": they begin small and have no full stop. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}

/** "1 error", "2 errors". */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

/** "3 h 12 min": whole minutes, so that nothing runs. */
export function lasted(ms: number): string {
  if (ms < MINUTE) return 'less than a minute';
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
  return count(Math.floor(ms / DAY), 'day');
}

/** "in 23 days", "today", "5 days ago": for expiry dates. */
export function away(at: Time, now: Time): string {
  const length = Math.abs(at - now);
  if (length < HOUR) return at < now ? 'just now' : 'within the hour';
  const words = length < DAY ? count(Math.floor(length / HOUR), 'hour') : count(Math.floor(length / DAY), 'day');
  return at < now ? `${words} ago` : `in ${words}`;
}

export function clock(at: Time): string {
  return new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

export function clockSeconds(at: Time): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

export function date(at: Time): string {
  return new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  if (n < 1_000_000) return `${Math.round(n / 1000)} KB`;
  if (n < 10_000_000) return `${(n / 1_000_000).toFixed(1)} MB`;
  return `${Math.round(n / 1_000_000)} MB`;
}

export function millis(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
