// Drafts of the fake world and rules on them, enough like the engine's to look true.

import type { Checked, Draft, Explained, Field, Finding, OptionKey, Profile } from '../types';

export const defaults: Record<OptionKey, string> = {
  server_description: '',
  transport: 'auto',
  reconnect_delay: '1',
  max_retries: '0',
  keepalive: '30',
  request_timeout: '300',
  single_child: 'false',
  max_sessions: '8',
  warm_spare: 'false',
  max_message_size: '16777216',
  start_timeout: '120',
  probe_interval: '30',
  drain: '5',
  allow_plaintext: 'false',
  ca_cert: '',
  client_cert: '',
  client_key: '',
  tool_preset: 'all',
  prompts: 'true',
  resources: 'true',
  hold_changed_tools: 'false',
  audit_log: '',
};

export function newDraft(): Draft {
  return {
    id: null,
    name: '',
    server: { kind: 'commandLine', line: '', environment: [], folder: '' },
    gateways: [{ kind: 'url', url: '', ownToken: null }],
    token: { kind: 'typed', text: '' },
    start: 'last',
    labels: [],
    tools: { only: null, never: [] },
    proxy: { kind: 'plain', text: '' },
    clientKeyPassphrase: { kind: 'none' },
    options: {},
  };
}

export function draftOf(profile: Profile): Draft {
  return {
    id: profile.id,
    name: profile.name,
    server: { kind: 'commandLine', line: profile.server, environment: [], folder: '' },
    gateways: profile.tunnels.map(({ builtIn, url }) => (builtIn ? { kind: 'builtIn' } : { kind: 'url', url, ownToken: null })),
    token: profile.token.place.kind === 'keychain' ? { kind: 'saved' } : { kind: 'none' },
    start: 'last',
    labels: [],
    tools: { only: null, never: [] },
    proxy: { kind: 'plain', text: '' },
    clientKeyPassphrase: { kind: 'none' },
    options: {},
  };
}

const error = (field: Field, code: string, message: string, action: string): Finding => ({
  field,
  severity: 'error',
  why: { code, message, action },
});

export function check(draft: Draft): Checked {
  const findings: Finding[] = [];
  const { server } = draft;
  const line = server.kind === 'commandLine' ? server.line : server.kind === 'command' ? server.program : server.url;
  const program = line.trim().split(/\s+/)[0] ?? '';

  if (!/^[\w.\- {}:]*$/.test(draft.name) || draft.name.length > 128) {
    findings.push(error({ kind: 'name' }, 'config.name', 'The name has a character that gateways do not take.', 'Use letters, digits, blanks, _ . and -.'));
  }
  if (!line.trim()) {
    findings.push(error({ kind: 'server' }, 'config.missing', 'There is no local server yet.', 'Give a command or a URL.'));
  } else if ('url' in server && !URL.canParse(server.url)) {
    findings.push(error({ kind: 'server' }, 'config.url', 'This is no URL.', 'It begins with http:// or https://.'));
  } else if (server.kind === 'commandLine' && (line.match(/"/g)?.length ?? 0) % 2 === 1) {
    findings.push(error({ kind: 'server' }, 'command.invalid', 'A quote is not closed.', 'Write it as you would type it in a shell.'));
  }
  if (draft.gateways.length === 0) {
    findings.push(error({ kind: 'gateway', index: 0 }, 'config.missing', 'There is no gateway yet.', 'Give its address.'));
  }
  draft.gateways.forEach((gateway, index) => {
    if (gateway.kind === 'builtIn') return;
    if (!URL.canParse(gateway.url)) {
      findings.push(error({ kind: 'gateway', index }, 'gateway.url', 'This is no gateway’s address.', 'It begins with https://.'));
    } else if (gateway.url.startsWith('http:') && !/\/\/(127\.|localhost)/.test(gateway.url) && draft.options.allow_plaintext !== 'true') {
      findings.push(error({ kind: 'gateway', index }, 'gateway.plaintext', 'Without TLS, token and messages can be read on the way.', 'Use https://, or allow it under Advanced.'));
    }
  });
  const proxy = draft.proxy.kind === 'plain' ? draft.proxy.text : draft.proxy.secret.kind === 'typed' ? draft.proxy.secret.text : '';
  if (proxy && !/^(https?|socks5):\/\/[^/]+\/?$/.test(proxy)) {
    findings.push(error({ kind: 'proxy' }, 'config.value', 'This is no proxy’s address.', 'It begins with http://, https:// or socks5://.'));
  }
  if (draft.clientKeyPassphrase.kind !== 'none' && !draft.options.client_cert) {
    findings.push(error({ kind: 'clientKeyPassphrase' }, 'config.value', 'It says nothing without a client certificate.', 'Give the certificate, or take this out.'));
  }
  const patterns = [...(draft.tools.only ?? []).map((text, index) => ({ text, field: { kind: 'toolAllowed' as const, index } })), ...draft.tools.never.map((text, index) => ({ text, field: { kind: 'toolDenied' as const, index } }))];
  for (const { text, field } of patterns) {
    if (text.length > 256) findings.push(error(field, 'config.value', 'This is too long for a tool’s name.', 'Use a pattern.'));
  }
  for (const key of ['keepalive', 'reconnect_delay', 'start_timeout', 'request_timeout', 'max_retries', 'max_sessions', 'max_message_size'] as const) {
    const text = draft.options[key];
    if (text !== undefined && !/^\d+(\.\d+)?$/.test(text.trim())) {
      findings.push(error({ kind: 'option', key }, 'config.value', `“${text}” is no number.`, `The default is ${defaults[key]}.`));
    }
  }
  if (draft.options.keepalive && Number(draft.options.keepalive) > 60) {
    findings.push({
      field: { kind: 'option', key: 'keepalive' },
      severity: 'warning',
      why: { code: 'keepalive.slow', message: 'Gateways drop clients that are silent for 90 s.', action: 'Use 60 s or less.' },
    });
  }
  return {
    findings,
    registeredName: draft.name ? draft.name.replace('{hostname}', 'laptop-7') : line.trim() ? `${nameOf(line)}-laptop-7` : null,
    words: server.kind === 'commandLine' && line.trim() ? line.trim().split(/\s+/) : null,
    program: /^(uvx|npx)$/.test(program) ? { path: `/home/ada/.local/bin/${program}`, from: 'loginShell' } : null,
  };
}

export function nameOf(line: string): string {
  return /mcp-server-([\w]+)/.exec(line)?.[1] ?? /server-([\w]+)/.exec(line)?.[1] ?? 'server';
}

export function lineOf(draft: Draft): string {
  const { server } = draft;
  if (server.kind === 'commandLine') return server.line;
  return server.kind === 'command' ? [server.program, ...server.arguments].join(' ') : server.url;
}

export const noToken: Explained = { code: 'auth.missing', message: 'This profile’s token may not make tokens.', action: '' };
