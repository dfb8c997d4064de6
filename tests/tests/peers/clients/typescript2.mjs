// The second generation of the TypeScript SDK (@modelcontextprotocol/client), for a plan: `typescript2.mjs PLAN`.
// Its mode is auto, legacy or a revision.

import { TIMEOUT_MS, answers, capabilities, headers, load, main } from './plan.mjs';

const { Client, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client');
const { StdioClientTransport } = load('@modelcontextprotocol/client/stdio');

function transport({ command, url }) {
  if (!command) return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: headers() } });
  const [program, ...args] = command;
  return new StdioClientTransport({ command: program, args, env: process.env });
}

async function open(plan, marker) {
  const mode = ['auto', 'legacy'].includes(plan.mode) ? plan.mode : { pin: plan.mode };
  const info = { name: `typescript2 ${marker}`, version: '1' };
  const client = new Client(info, { capabilities, versionNegotiation: { mode } });
  for (const [method, answer] of Object.entries(answers(marker))) client.setRequestHandler(method, answer);
  const carrier = transport(plan);
  await client.connect(carrier, { timeout: TIMEOUT_MS });
  return {
    server: client.getServerVersion()?.name ?? null,
    protocol: client.getNegotiatedProtocolVersion() ?? null,
    tools: async () => (await client.listTools({}, { timeout: TIMEOUT_MS })).tools.map((tool) => tool.name),
    call: (name, args, onprogress, signal) =>
      client.callTool({ name, arguments: args }, { onprogress, signal, timeout: TIMEOUT_MS }),
    close: async () => {
      if (client.getProtocolEra() === 'legacy') await carrier.terminateSession?.();
      await client.close();
    },
  };
}

await main(open);
