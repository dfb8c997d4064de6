// Which field holds which key of the configuration. A test compares this with
// docs/configuration.md: a key without a place here fails it.

import type { OptionKey } from '../types';

type Manner =
  | { kind: 'text' }
  | { kind: 'path' }
  | { kind: 'number'; unit?: string }
  | { kind: 'check' }
  | { kind: 'choice'; choices: [value: string, label: string][] };

export type Option = { key: OptionKey; label: string; help: string; manner: Manner };

const seconds: Manner = { kind: 'number', unit: 'seconds' };

export type Group = { id: 'catalog' | 'server' | 'link' | 'way' | 'tools'; title: string; options: Option[] };

export const GROUPS: Group[] = [
  {
    id: 'catalog',
    title: 'In the gateway’s catalog',
    options: [
      { key: 'server_description', label: 'Description', help: 'What the gateway’s catalog says about it.', manner: { kind: 'text' } },
    ],
  },
  {
    id: 'server',
    title: 'Local server',
    options: [
      { key: 'start_timeout', label: 'Time to start', help: 'How long the server may take to its first answer, downloads included.', manner: seconds },
      { key: 'request_timeout', label: 'Time for a call', help: 'Then its caller gets an error. Progress starts the time anew.', manner: seconds },
      { key: 'probe_interval', label: 'Asked for a sign of life', help: 'After so long without an answer. Twice that, and it needs attention.', manner: seconds },
      { key: 'drain', label: 'Time for calls to end', help: 'When the tunnel is switched off or changed. 0 cuts them off.', manner: seconds },
      { key: 'max_sessions', label: 'Sessions at once', help: 'Each client gets a process of its own, up to this many.', manner: { kind: 'number' } },
      { key: 'single_child', label: 'One process for all clients', help: 'For a server that must not run twice.', manner: { kind: 'check' } },
      { key: 'audit_log', label: 'Record of calls', help: 'A file that gets a line for each call: when, who, which tool, how it ended. Nothing of what was said.', manner: { kind: 'path' } },
      { key: 'warm_spare', label: 'Keep a process ready', help: 'The next client need not wait.', manner: { kind: 'check' } },
    ],
  },
  {
    id: 'link',
    title: 'Link',
    options: [
      {
        key: 'transport',
        label: 'Carried by',
        help: 'Automatic tries WebSocket, then SSE where a network blocks it.',
        manner: { kind: 'choice', choices: [['auto', 'Automatic'], ['ws', 'WebSocket'], ['sse', 'SSE and POST']] },
      },
      { key: 'keepalive', label: 'Heartbeat', help: 'Gateways drop clients that are silent for 90 s.', manner: seconds },
      { key: 'reconnect_delay', label: 'First wait before another try', help: 'It doubles with each failure, up to 60 s.', manner: seconds },
      { key: 'max_retries', label: 'Tries before giving up', help: '0: never gives up.', manner: { kind: 'number' } },
      { key: 'max_message_size', label: 'Largest message', help: 'Some gateways take 1048576 at most; Culvert notices and keeps to it.', manner: { kind: 'number', unit: 'bytes' } },
    ],
  },
  {
    id: 'way',
    title: 'Encryption and proxy',
    options: [
      {
        key: 'allow_plaintext',
        label: 'Allow connections without TLS',
        help: 'Token and messages can then be read on the way.',
        manner: { kind: 'check' },
      },
      { key: 'ca_cert', label: 'Certificate authority', help: 'A PEM file, for a gateway whose certificate no public authority signed. Only what it holds is trusted.', manner: { kind: 'path' } },
      { key: 'client_cert', label: 'Client certificate', help: 'A PEM file, where the gateway asks for one.', manner: { kind: 'path' } },
      { key: 'client_key', label: 'Its private key', help: 'A PEM file; not needed where the certificate’s file has it.', manner: { kind: 'path' } },
    ],
  },
  {
    id: 'tools',
    title: 'Tools',
    options: [
      {
        key: 'tool_preset',
        label: 'What they may do',
        help: 'A tool says of itself whether it changes anything.',
        manner: { kind: 'choice', choices: [['all', 'Anything'], ['read-only', 'Only read']] },
      },
      { key: 'hold_changed_tools', label: 'Hold tools that change', help: 'A tool that is new, or says something else than before, waits until you have looked at it.', manner: { kind: 'check' } },
      { key: 'prompts', label: 'Let prompts pass', help: 'Off: clients see none.', manner: { kind: 'check' } },
      { key: 'resources', label: 'Let resources pass', help: 'Off: clients see none.', manner: { kind: 'check' } },
    ],
  },
];

export const OPTIONS: Option[] = GROUPS.flatMap(({ options }) => options);

/** Keys that a field of another kind holds, by that field's id. */
export const ELSEWHERE: Record<string, string> = {
  local_stdio: 'server',
  args: 'argument-add',
  env: 'pair-0-name',
  secret_env: 'pair-0-name',
  cwd: 'folder',
  local_streamable_http: 'server',
  local_sse: 'server',
  local_headers: 'pair-0-name',
  forward_auth: 'forward-auth',
  server_name: 'name',
  gateway: 'gateway-0',
  token: 'token-place',
  start: 'at-start',
  labels: 'label-0',
  tools_allow: 'tools-only',
  tools_deny: 'tool-denied-add',
  client_key_passphrase: 'client-key-passphrase-place',
  proxy: 'proxy',
};

/** Keys that are not a profile's, with the reason. */
export const NOT_HERE: Record<string, string> = {
  id: 'given by Culvert, never changed',
  log_level: 'holds for the whole program, not for one profile',
};
