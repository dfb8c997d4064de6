// The first generation of the TypeScript SDK (@modelcontextprotocol/sdk), for a plan: `typescript1.mjs PLAN`.

import { TIMEOUT_MS, answers, capabilities, headers, load, main } from './plan.mjs';

const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = load('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');
const types = load('@modelcontextprotocol/sdk/types.js');

const SCHEMAS = {
  'sampling/createMessage': types.CreateMessageRequestSchema,
  'elicitation/create': types.ElicitRequestSchema,
  'roots/list': types.ListRootsRequestSchema,
};

function transport({ command, url }) {
  if (!command) return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: headers() } });
  const [program, ...args] = command;
  return new StdioClientTransport({ command: program, args, env: process.env });
}

async function open(plan, marker) {
  const client = new Client({ name: `typescript1 ${marker}`, version: '1' }, { capabilities });
  for (const [method, answer] of Object.entries(answers(marker))) client.setRequestHandler(SCHEMAS[method], answer);
  const carrier = transport(plan);
  await client.connect(carrier, { timeout: TIMEOUT_MS });
  return {
    server: client.getServerVersion().name,
    protocol: carrier.protocolVersion ?? null,
    tools: async () => (await client.listTools({}, { timeout: TIMEOUT_MS })).tools.map((tool) => tool.name),
    call: (name, args, onprogress, signal) =>
      client.callTool({ name, arguments: args }, undefined, { onprogress, signal, timeout: TIMEOUT_MS }),
    close: async () => {
      await carrier.terminateSession?.();
      await client.close();
    },
  };
}

await main(open);
