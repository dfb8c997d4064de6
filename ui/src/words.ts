// Every word that the window shows of its own. Causes, notices and findings come from
// the back end with words of their own, the same that tray and command line show.

import { bytes, clock, count, date, lasted } from './format';
import type { Client, Process, Time } from './types';

export { edit } from './words/edit';
export { tools } from './words/tools';

export const common = {
  app: 'Culvert',
  cancel: 'Cancel',
  done: 'Done',
  back: 'Back',
  copy: 'Copy',
  copied: 'Copied.',
  remove: 'Remove',
  search: 'Search',
  loading: 'Reading…',
  problemCode: (code: string) => `Code: ${code}`,
};

export const list = {
  label: 'Profiles',
  add: 'Add a server',
  addKey: (platform: string) => (platform === 'macos' ? '⌘N' : 'Ctrl+N'),
  settings: 'Settings',
  import: 'Import…',
  none: (query: string) => `No profile matches “${query}”.`,
  off: 'off',
};

export const empty = {
  title: 'Nothing is shared yet.',
  lead: 'Culvert makes an MCP server on this machine reachable through a gateway, with no open port.',
  import: 'Import',
  importFound: (app: string, n: number) => `${app} has ${count(n, 'server')}. Choose which to bring over.`,
  importNone: 'Bring over servers from another app, or from a file.',
  add: 'Add a server',
  addHelp: 'A command such as npx or uvx, or the URL of a server that runs already.',
  try: 'Try it',
  tryHelp: 'Shares a clock on this machine only, through the built-in gateway. It runs:',
};

export const header = {
  connect: 'Connect',
  useIn: 'Use in',
  more: 'More',
  reconnect: 'Reconnect now',
  share: 'Share for 1 hour',
  copyUrl: 'Copy the address',
  until: (at: Time) => `shared until ${clock(at)}`,
  switch: { off: 'Off', connecting: 'Connecting', online: 'Connected', attention: 'Not connected' },
  needsLook: 'Connected',
};

export const tabs = { label: 'About this profile', overview: 'Overview', activity: 'Activity', tools: 'Tools', log: 'Log', edit: 'Edit' };

export const clients: Record<Client, string> = {
  claudeCode: 'Claude Code',
  cursor: 'Cursor',
  vsCode: 'VS Code',
  mcpJson: 'mcp.json',
  curl: 'curl',
};

export const useIn = {
  withToken: (client: string, until: Time) => `Copied for ${client}. Its token calls this server only, until ${date(until)}.`,
  withPlaceholder: (client: string, why: string) => `Copied for ${client}. Put a token where it says so. ${why}`,
};

export const status = {
  off: 'Off',
  starting: 'Starting the local server',
  connecting: (gateway: string) => `Connecting to ${gateway}`,
  registering: (gateway: string) => `Registering with ${gateway}`,
  onlineFor: (since: Time, now: Time) => `Online for ${lasted(now - since)}`,
  roundTrip: (ms: number) => `round trip ${ms} ms`,
  sessions: (n: number) => count(n, 'session'),
  stopping: 'Finishing what is under way',
  stopped: 'Stopped',
  again: (at: Time) => `Tries again at ${clock(at)}.`,
};

export const problem = {
  label: 'What needs you',
  newToken: 'New token',
  saveToken: 'Save and connect',
  tokenPlaceholder: 'Paste it here',
  tokenSaved: 'Token saved in your keychain.',
  unlock: 'Unlock',
  unlocking: 'Waiting for your keychain’s password',
  tryAgain: 'Try again',
  otherPlace: 'Use a variable or file',
  changed: 'The command was changed outside Culvert. It runs only after you agree.',
  changedBefore: 'Before',
  changedNow: 'Now',
  agree: 'Run the new command',
  leaveOff: 'Leave it off',
  agreed: 'Agreed. Starting the new command.',
  broken: (path: string, line: number, column: number) =>
    `The file cannot be read: ${path}, line ${line}, column ${column}.`,
  brokenRuns: 'What was last good keeps running.',
  reconnect: 'Reconnect now',
  seeLog: 'See the log',
  seeTools: 'Look at them',
  edit: 'Edit',
  folder: 'in',
  secretValue: 'kept secret',
  programs: 'and, for a secret,',
};

export const overview = {
  server: 'Local server',
  gateway: 'Gateway',
  builtIn: 'Built-in gateway',
  token: 'Token',
  inUse: 'In use by',
  processes: 'Processes',
  noSession: 'no session',
  process: ({ pid, memoryBytes }: Process) => [`process ${pid}`, memoryBytes > 0 ? bytes(memoryBytes) : ''].filter(Boolean).join(', '),
  nobody: 'nobody right now',
  calls: 'Calls today',
  noCalls: 'none',
  callsHours: (counts: number[]) => `Calls by hour, oldest first: ${counts.join(', ')}`,
  errors: (n: number) => count(n, 'error'),
  tools: (n: number) => count(n, 'tool'),
};

export const activity = {
  label: 'Recent calls',
  filter: 'Filter',
  errorsOnly: 'Errors only',
  none: 'No calls yet. They appear here as they happen.',
  noMatch: 'No call matches.',
  columns: ['Time', 'Caller', 'What', 'Took', 'Outcome'],
  method: 'Method',
  sizes: 'Size',
  size: (request: number, answer: number | null) =>
    answer === null ? `${bytes(request)} sent` : `${bytes(request)} sent, ${bytes(answer)} back`,
  error: 'Error',
  refused: 'This profile’s tools policy does not let it pass.',
};

export const log = {
  label: 'The local server’s log',
  follow: 'Follow',
  copy: 'Copy',
  clear: 'Clear',
  cleared: 'Log cleared.',
  copied: (n: number) => `${count(n, 'line')} copied.`,
  none: 'The server has written nothing yet.',
  noMatch: 'No line matches.',
  matches: (n: number) => count(n, 'line'),
};

export const importing = {
  title: 'Import',
  lead: 'Choose what to share. Each runs exactly the command shown; nothing changes in the other app.',
  file: 'Another file',
  filePlaceholder: '/path/to/mcp.json',
  look: 'Look',
  known: 'already here',
  project: (path: string) => `for ${path}`,
  needs: 'needs a value',
  needLabel: (name: string, server: string) => `${name} for ${server}`,
  runs: 'Runs',
  environment: 'With',
  folder: 'In',
  secret: 'kept secret',
  gateway: 'Share through',
  otherGateway: 'Another gateway',
  none: 'No other app’s servers were found on this machine.',
  yes: (n: number) => (n === 0 ? 'Import' : `Import ${count(n, 'server')}`),
  done: (n: number) => `${count(n, 'server')} imported. Each stays off until you connect it.`,
  missing: (name: string) => `${name} needs a value.`,
  refused: (name: string, why: string) => `${name} was not imported: ${why}`,
};

export const settings = {
  title: 'Settings',
  general: 'General',
  login: 'Launch at login',
  loginHelp: 'Starts in the tray, with each profile as it was.',
  notifications: 'Notifications',
  notificationsHelp: 'Only when something needs you.',
  gateway: 'Built-in gateway',
  gatewayHelp: 'Only programs on this machine reach it.',
  gatewayStates: { off: 'Off', starting: 'Starting', failed: 'Not running' },
  gatewayAt: (address: string) => `On at ${address}`,
  port: 'Port',
  use: 'Use it for',
  useHelp: 'One click shares a profile through it as well.',
  useNow: 'Choose a profile',
  used: (name: string) => `${name} now uses the built-in gateway.`,
  elsewhere: 'Reach your servers from elsewhere',
  elsewhereLead: 'Run a gateway on a machine that others can reach. Either IBM ContextForge, or Culvert’s own:',
  commands: [
    'culvert gateway --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem',
    'culvert token create --username you --can tunnel',
    'culvert token create --username you --can call',
  ],
  commandsHelp: ['on the server', 'makes the token for a profile here', 'makes the token for an MCP client'],
  then: 'Then give its address and the first token to a profile here.',
  about: 'About Culvert',
  support: 'Support bundle',
  supportHelp: 'What somebody who helps you needs to see, without secrets.',
  supportMake: 'Make one…',
  version: 'Version',
  keychain: 'Keychain',
  keychainStates: { ready: 'ready', locked: 'locked', unlocking: 'waiting for your password', missing: 'none found' },
};

export const support = {
  title: 'Support bundle',
  lead: 'Versions, settings, states, what your servers wrote, and Culvert’s checks. Secrets are taken out. Read it through before you give it to somebody.',
  gathering: 'Gathering. Each server and gateway is tried once, which may take a minute.',
  ready: 'The support bundle is ready to read.',
  label: 'The support bundle’s text',
  save: 'Save',
  saved: (path: string) => `Saved as ${path}.`,
  again: 'Gather again',
};

export const about = {
  version: (version: string) => `Version ${version}`,
  text: 'Makes the MCP servers on this machine reachable through a gateway, with no open port.',
  licence: 'Free software under the Apache License 2.0.',
};

export const closing = {
  title: 'Your tunnels stay up',
  text: 'Closing this window keeps them running. Culvert stays in the tray; Quit there ends it.',
  yes: 'Close the window',
};

/** Announced together when several change at once. */
export const told = (name: string, words: string) => `${name}: ${words}`;
