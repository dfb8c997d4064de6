// Every word that the window shows of its own. Causes, notices and findings come from
// the back end with words of their own, the same that tray and command line show.

import { away, bytes, clock, count, date, lasted } from './format';
import type { Client, Outcome, Process, ServerState, Start, Status, Time, Token, Transport } from './types';

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

export const tabs = { label: 'About this profile', overview: 'Overview', activity: 'Activity', log: 'Log', edit: 'Edit' };

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
  edit: 'Edit',
  folder: 'in',
  secretValue: 'kept secret',
};

export const overview = {
  server: 'Local server',
  gateway: 'Gateway',
  builtIn: 'Built-in gateway',
  token: 'Token',
  inUse: 'In use by',
  nobody: 'nobody right now',
  calls: 'Calls today',
  noCalls: 'none',
  callsHours: (counts: number[]) => `Calls by hour, oldest first: ${counts.join(', ')}`,
  errors: (n: number) => count(n, 'error'),
  tools: (n: number) => count(n, 'tool'),
  ownToken: (token: Token, now: Time) =>
    `token ${tokenWords(token)}${token.expires === null ? '' : `, ${expiryWords(token.expires, now)}`}`,
};

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
  request: 'Request',
  answer: 'Answer',
};

export function outcomeWord(outcome: Outcome): string {
  return { running: 'running', ok: 'ok', cancelled: 'cancelled', error: 'error' }[outcome.kind];
}

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

export const edit = {
  newTitle: 'Add a server',
  name: 'Name',
  nameHelp: 'What it is called here and on the gateway. Empty: made from the command.',
  registered: (name: string) => `Registers as ${name}.`,
  server: 'Local server',
  kinds: { commandLine: 'Command line', command: 'Command and arguments', url: 'URL' },
  line: 'Command line',
  linePlaceholder: 'uvx mcp-server-git --repository ~/code',
  lineHelp: 'As you would type it in a shell. No shell runs it.',
  program: 'Command',
  arguments: 'Arguments',
  argument: (n: number) => `Argument ${n}`,
  addArgument: 'Add an argument',
  found: (path: string, login: boolean) => (login ? `Found at ${path}, as in your login shell.` : `Found at ${path}.`),
  surroundings: 'Environment and folder',
  environment: 'Environment',
  variable: 'Variable',
  header: 'Header',
  value: 'Value',
  addVariable: 'Add a variable',
  addHeader: 'Add a header',
  secret: 'Keep secret',
  secretHelp: 'Secret values go to your keychain.',
  folder: 'Folder',
  folderHelp: 'Where the command runs. Empty: where Culvert was started.',
  url: 'URL',
  urlPlaceholder: 'http://127.0.0.1:8000/mcp',
  speaks: 'It speaks',
  transports: { streamableHttp: 'Streamable HTTP', sse: 'HTTP with SSE (older)' },
  headers: 'Headers',
  headersHelp: 'Sent to the local server with each request.',
  forwardAuth: 'Pass on who is calling',
  forwardAuthHelp: 'Hands the server the caller’s Authorization. Only where it should act in the caller’s name.',
  forwardHeader: (n: number) => `Also pass on, ${n}`,
  addForward: 'Pass on another header',
  gateways: 'Gateway',
  gateway: (n: number) => (n === 1 ? 'Gateway’s address' : `Gateway’s address ${n}`),
  gatewayPlaceholder: 'https://gateway.example.com',
  gatewayBuiltIn: 'Built-in gateway, this machine only',
  addGateway: 'Add a gateway',
  addBuiltIn: 'Use the built-in gateway',
  token: 'Token',
  tokenKept: 'Kept in',
  tokenPlaces: {
    keychain: 'Keychain',
    environment: 'Environment variable',
    file: 'File',
    command: 'Output of a command',
    credential: 'systemd credential',
    literal: 'The profile’s file',
    none: 'Nowhere: none needed',
  },
  tokenSaved: 'Saved in your keychain',
  tokenReplace: 'Replace…',
  tokenNew: 'New token',
  tokenHelp: 'Goes to your keychain when you save. It is never shown again.',
  tokenLocked: 'Your keychain is locked.',
  tokenBuiltIn: 'The built-in gateway makes its own.',
  tokenVariable: 'Variable’s name',
  tokenFile: 'File’s path',
  tokenCommand: 'Command',
  tokenCredential: 'Credential’s name',
  ownToken: 'A token of its own',
  ownTokenFor: (n: number) => `Token for gateway ${n}`,
  atStart: 'When Culvert starts',
  atStarts: { last: 'As I left it', always: 'Connect', never: 'Stay off' } satisfies Record<Start, string>,
  labels: 'Labels',
  labelsHelp: 'For lists of many servers, such as site and north.',
  label: 'Label',
  addLabel: 'Add a label',
  advanced: 'Advanced',
  row: (what: string) => `Remove: ${what}`,
  save: 'Save',
  saveNew: 'Save and connect',
  saved: 'Saved.',
  test: 'Test',
  stopTest: 'Stop the test',
  testLabel: 'Test',
  testStopped: 'Test stopped.',
  testPassed: (n: number) => `All ${count(n, 'check')} passed.`,
  testFailed: (n: number) => `${count(n, 'check')} failed.`,
  testWarned: (n: number) => `Works, with ${count(n, 'warning')}.`,
  steps: { pending: 'not yet', running: 'checking', passed: 'passed', warned: 'warning', failed: 'failed', skipped: 'skipped' },
  remove: 'Delete…',
  removeTitle: (name: string) => `Delete ${name}?`,
  removeText: 'It is disconnected. Its settings and its secrets in your keychain are deleted.',
  removeYes: 'Delete',
  removed: (name: string) => `${name} deleted.`,
  leaveTitle: 'Save your changes?',
  leaveText: 'You changed this profile and have not saved it.',
  leaveSave: 'Save',
  leaveDiscard: 'Discard',
  leaveStay: 'Keep editing',
  foreign: (path: string) => `This profile is in a file of your own, ${path}. Change it there; Culvert follows.`,
  replaceTitle: 'Replace the file?',
  replaceText: 'It cannot be read as it is. It is kept beside the new one, with .broken behind its name.',
  replaceYes: 'Replace',
  wrong: (n: number) => `Not saved: ${count(n, 'field')} to correct.`,
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
  recording: 'Record what calls carry',
  recordingHelp: 'Shown in Activity, kept in memory, gone when Culvert quits.',
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
  version: 'Version',
  keychain: 'Keychain',
  keychainStates: { ready: 'ready', locked: 'locked', unlocking: 'waiting for your password', missing: 'none found' },
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
