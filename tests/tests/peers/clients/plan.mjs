// Does with an MCP client of the TypeScript SDK what a plan asks for; the plan, and what is printed, are as plan.py
// says. A client is a function that opens a session: `open(plan, marker)`, which resolves to an object with `server`,
// `protocol`, `tools()`, `call(tool, arguments, onProgress, signal)`, which resolves to a result of MCP, and `close()`.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const SHOWN = 2000;

// The SDKs' own minute is short for many servers that start at once on a small machine.
export const TIMEOUT_MS = 120_000;

// The packages lie in the cache, not beside this file.
export const load = createRequire(`${process.env.MCP_PACKAGES}/`);

export const answers = (marker) => ({
  'sampling/createMessage': () => ({
    role: 'assistant', model: 'none', content: { type: 'text', text: `${marker} sampled` },
  }),
  'elicitation/create': () => ({ action: 'accept', content: { name: `${marker} elicited` } }),
  'roots/list': () => ({ roots: [{ uri: `file:///${marker}-root`, name: marker }] }),
});

export const capabilities = { sampling: {}, elicitation: {}, roots: {} };

export const headers = () => ({ Authorization: `Bearer ${process.env.MCP_TOKEN}` });

function withFiles(value) {
  if (Array.isArray(value)) return value.map(withFiles);
  if (typeof value !== 'object' || value === null) return value;
  if ('$file' in value) return readFileSync(value.$file, 'utf8');
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withFiles(each)]));
}

async function oneCall(session, call) {
  const given = withFiles(call.arguments ?? {});
  const progress = [];
  const giveUp = new AbortController();
  const onProgress = ({ progress: done, total }) => {
    progress.push([done, total ?? null]);
    if (progress.length === call.cancel_at) giveUp.abort('given up');
  };
  const wanted = call.progress || call.cancel_at ? onProgress : undefined;
  try {
    const result = await session.call(call.tool, given, wanted, giveUp.signal);
    const text = result.content.filter((part) => part.type === 'text').map((part) => part.text).join('\n');
    const raw = Buffer.from(text);
    const sha256 = createHash('sha256').update(raw).digest('hex');
    return { failed: result.isError ?? false, text: text.slice(0, SHOWN), bytes: raw.length, sha256, progress };
  } catch (error) {
    return giveUp.signal.aborted ? { cancelled: true, progress } : { raised: String(error), progress };
  }
}

async function callAll(session, wish) {
  const found = { server: session.server, protocol: session.protocol, tools: (await session.tools()).sort(), calls: [] };
  if (wish.at_once) {
    found.calls = await Promise.all(wish.calls.map((call) => oneCall(session, call)));
  } else {
    for (const call of wish.calls) found.calls.push(await oneCall(session, call));
  }
  await session.close();
  return found;
}

export async function main(open) {
  const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
  const opened = await Promise.allSettled(plan.sessions.map((wish) => open(plan, wish.marker)));
  const sessions = await Promise.all(opened.map(({ value, reason }, n) =>
    value ? callAll(value, plan.sessions[n]) : { refused: String(reason) }));
  console.log(JSON.stringify({ sessions }));
}
