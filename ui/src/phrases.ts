// States as words: what an overview, a row or an outcome says.

import { away, bytes, count } from './format';
import type { Outcome, Process, ServerState, Status, Time, Token, Transport } from './types';

export function serverWords(state: Status, processes: Process[]): string {
  const memory = processes.reduce((sum, process) => sum + process.memoryBytes, 0);
  const running = processes.length === 0 ? '' : processes.length === 1 ? 'running' : `${processes.length} processes`;
  const size = memory > 0 ? bytes(memory) : '';
  const words = (...parts: string[]) => parts.filter(Boolean).join(', ');
  switch (state.kind) {
    case 'off':
      return 'not running';
    case 'starting':
      return 'starting';
    case 'stopping':
      return 'ending';
    case 'stopped':
      return 'not running';
    case 'online':
      return words(onlineServer(state.server, running), size);
    default:
      return words(running || 'not running', size);
  }
}

function onlineServer(server: ServerState, running: string): string {
  switch (server.kind) {
    case 'ready':
      return running || 'running';
    case 'unprobed':
      return 'starting';
    case 'restarting':
      return 'starting again';
    case 'silent':
      return 'does not answer';
  }
}

const carriage: Record<Transport, string> = { ws: 'WebSocket', sse: 'SSE' };

export function linkWords(state: Status): string {
  switch (state.kind) {
    case 'online':
      return `connected, ${carriage[state.transport]}`;
    case 'waiting':
      return `waiting, ${count(state.attempt, 'try', 'tries')}`;
    case 'stopped':
      return 'stopped';
    case 'starting':
      return 'not yet';
    default:
      return state.kind;
  }
}

export function tokenWords(token: Token): string {
  switch (token.place.kind) {
    case 'none':
      return 'none';
    case 'builtIn':
      return 'made by the built-in gateway';
    case 'keychain':
      return 'in your keychain';
    case 'environment':
      return `from the variable ${token.place.variable}`;
    case 'file':
      return `from ${token.place.path}`;
    case 'command':
      return `from ${token.place.command}`;
    case 'credential':
      return `from the credential ${token.place.name}`;
    case 'literal':
      return 'written out in the profile’s file';
  }
}

export function expiryWords(expires: Time, now: Time): string {
  return `${expires < now ? 'expired' : 'expires'} ${away(expires, now)}`;
}

export function outcomeWord(outcome: Outcome): string {
  return { running: 'running', ok: 'ok', cancelled: 'cancelled', refused: 'refused', error: 'error' }[outcome.kind];
}

/** A gateway's own token, in one line. */
export function ownTokenWords(token: Token, now: Time): string {
  return `token ${tokenWords(token)}${token.expires === null ? '' : `, ${expiryWords(token.expires, now)}`}`;
}
