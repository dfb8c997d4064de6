// What happened in the fake world: calls, log lines, other apps' servers, a test's steps.

import type { Call, Draft, FoundSource, LogLine, StepState, TestStep } from '../types';
import { causes } from './profiles';

const TOOLS = ['git_status', 'git_log', 'read_file', 'git_diff', 'list_directory', 'git_show'];

export function calls(now: number): Call[] {
  return Array.from({ length: 24 }, (_, n): Call => {
    const failed = n === 4 || n === 13;
    const refused = n === 8;
    const listing = n % 9 === 7;
    const tool = listing ? null : refused ? 'git_push' : (TOOLS[n % TOOLS.length] ?? null);
    return {
      id: 1000 - n,
      at: now - n * 47_000 - 8000,
      caller: n % 5 === 3 ? 'cursor' : 'claude',
      method: listing ? 'tools/list' : 'tools/call',
      tool,
      ms: n === 0 ? null : 6 + ((n * 37) % 90),
      outcome: n === 0 ? { kind: 'running' } : refused ? { kind: 'refused' } : failed ? { kind: 'error', message: 'fatal: ambiguous argument ’mian’: unknown revision' } : { kind: 'ok' },
      requestBytes: 140 + n * 3,
      answerBytes: n === 0 ? null : 900 + n * 911,
    };
  });
}

const LINES = [
  'Starting MCP server on stdio',
  'Repository /home/ada/code: 1,204 commits, branch main',
  'session opened: claude 1.8.2',
  'tools/call git_status',
  'tools/call git_log max_count=10',
  'WARNING index.lock is 3 minutes old, trying anyway',
  'tools/call git_diff main..work',
  'tools/call git_show 5f70bf1',
];

export function logLine(seq: number, at: number): LogLine {
  return { seq, at, text: LINES[seq % LINES.length] ?? '' };
}

export function found(): FoundSource[] {
  const server = (key: string, line: string, more: Partial<FoundSource['servers'][number]> = {}) => ({
    key,
    name: key,
    project: null,
    command: { kind: 'command' as const, line, folder: null, environment: [], programs: [] },
    needs: [],
    presence: 'new' as const,
    warnings: [],
    ...more,
  });
  return [
    {
      app: 'Claude Desktop',
      path: '/home/ada/.config/Claude/claude_desktop_config.json',
      troubles: [],
      servers: [
        server('notes', 'npx -y @modelcontextprotocol/server-filesystem /home/ada/notes "/home/ada/old notes"'),
        server('search', 'npx -y @modelcontextprotocol/server-brave-search', {
          command: {
            kind: 'command',
            line: 'npx -y @modelcontextprotocol/server-brave-search',
            folder: null,
            environment: [{ name: 'BRAVE_API_KEY', value: null }],
            programs: [],
          },
          needs: [{ id: 'BRAVE_API_KEY', label: 'BRAVE_API_KEY', visibility: 'hidden', proposed: null, options: [] }],
        }),
        server('memory', 'docker run -i --rm -v memory:/app/dist mcp/memory', {
          warnings: ['Runs in a container: each client’s session starts one.'],
        }),
        server('git', 'uvx mcp-server-git', { presence: 'known' }),
      ],
    },
    {
      app: 'VS Code',
      path: '/home/ada/code/.vscode/mcp.json',
      troubles: [{ code: 'import.entry', message: 'line 12: the server "old" has neither a command nor a url', action: 'Correct it there, then look again.' }],
      servers: [
        server('tickets', '', {
          project: '/home/ada/code',
          command: { kind: 'url', url: 'http://127.0.0.1:7070/mcp', headers: [{ name: 'X-Team', value: 'blue' }], programs: [] },
          needs: [{ id: 'input:region', label: 'Which region?', visibility: 'shown', proposed: 'eu', options: ['eu', 'us'] }],
        }),
      ],
    },
  ];
}

export function steps(draft: Draft): TestStep[] {
  const bad = draft.token.kind === 'typed' && draft.token.text === 'bad';
  const plan: [string, string, StepState][] = [
    ['command', 'The command is on this machine', { kind: 'passed', summary: '/home/ada/.local/bin/uvx, from your login shell' }],
    ['server', 'The server starts and speaks MCP', { kind: 'passed', summary: 'mcp-git 1.4.0, 12 tools, after 0.8 s' }],
    ['gateway', 'The gateway answers', { kind: 'passed', summary: 'gw.example.com over TLS, 12 ms' }],
    ['token', 'The gateway takes the token', bad ? { kind: 'failed', why: causes.rejected } : { kind: 'passed', summary: 'ada, expires in 23 days' }],
    ['routing', 'Calls can arrive', bad ? { kind: 'skipped', because: 'The token comes first.' } : { kind: 'passed', summary: 'each client gets a process of its own' }],
  ];
  return plan.map(([id, title, state]) => ({ id, title, state }));
}

export function support(): string {
  const lines = LINES.map((line, n) => `  ${(LINES.length - n) * 7} s ago: ${line}`);
  return `Culvert support bundle, 2026-11-22T14:05:00Z
Secrets were taken out, and what looks like one. Read it through before you send it.

== Versions
culvert 0.1.0
Debian GNU/Linux 12 (bookworm), x86_64 6.1.0-28-amd64

== Configuration
git
  local_stdio: uvx mcp-server-git --repository /home/ada/code
  gateway: https://gw.example.com
  token: keychain

== States
git: online, wanted
  https://gw.example.com: online for 11520 s, server ready, over ws, 12 tools

== Doctor
git, command, ok: /home/ada/.local/bin/uvx
git, server, ok: mcp-git 1.4.0, 12 tools, after 0.8 s
git at https://gw.example.com, token, ok: ada, expires in 23 days

== What local servers wrote
git for https://gw.example.com
${lines.join('\n')}
`;
}
