// What others rely on: every key of the configuration has its field, the types can come
// from Rust, and the build needs nothing that a strict policy forbids.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ELSEWHERE, NOT_HERE, OPTIONS } from '../src/edit/fields.ts';
import { defaults } from '../src/fake/drafts.ts';
import { away, bytes, lasted } from '../src/format.ts';
import { pieces } from '../src/profile/diff.ts';
import { Stage } from './browser.ts';

const root = join(import.meta.dirname, '..');
const checkout = process.env['CULVERT_CHECKOUT'] ?? join(root, '..');

let stage: Stage;
before(async () => (stage = await Stage.launch()));
after(() => stage.close());

type Key = { name: string; default: string };

function documented(): Key[] {
  const text = readFileSync(join(checkout, 'docs/configuration.md'), 'utf8');
  const table = text.slice(text.indexOf('## Keys'), text.indexOf('## Files'));
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    return { name: /`(\w+)`/.exec(cells[1] ?? '')?.[1] ?? '', default: (cells[4] ?? '').replaceAll('`', '') };
  });
}

test('every key of the configuration has one field, or a reason why not', () => {
  const here = [...OPTIONS.map(({ key }) => key), ...Object.keys(ELSEWHERE), ...Object.keys(NOT_HERE)];
  assert.deepEqual([...here].sort(), documented().map(({ name }) => name).sort());
});

test('the made-up back end has the documented defaults', () => {
  for (const { name, default: value } of documented()) {
    if (name in defaults) assert.equal(defaults[name as keyof typeof defaults], value, name);
  }
});

test('those fields are in the window', async () => {
  const page = await stage.open({ scenario: 'well' });
  await page.getByRole('tab', { name: 'Edit' }).click();
  await page.locator('#advanced summary').click();
  for (const { key } of OPTIONS) assert.equal(await page.locator(`#option-${key}`).isVisible(), true, key);
  const open: Record<string, () => Promise<void>> = {
    args: () => page.getByRole('radio', { name: 'Command and arguments' }).check(),
    env: async () => {
      await page.locator('summary', { hasText: 'Environment' }).click();
      await page.getByRole('button', { name: 'Add a variable' }).click();
    },
    labels: () => page.getByRole('button', { name: 'Add a label' }).click(),
    local_streamable_http: () => page.getByRole('radio', { name: 'URL' }).check(),
    local_headers: () => page.getByRole('button', { name: 'Add a header' }).click(),
  };
  for (const [key, id] of Object.entries(ELSEWHERE)) {
    await open[key]?.();
    assert.equal(await page.locator(`#${id}`).isVisible(), true, key);
  }
  await stage.done(page);
});

test('the app’s build holds no made-up world, nothing inline, no data: address', () => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-ui-'));
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error', '--outDir', folder, '--emptyOutDir'], { cwd: root });
    const files = readdirSync(folder, { recursive: true }).map(String).filter((file) => /\.\w+$/.test(file));
    const texts = files.map((file) => readFileSync(join(folder, file), 'utf8'));
    assert.ok(existsSync(join(folder, 'index.html')));
    for (const text of texts) {
      assert.doesNotMatch(text, /culvertFake|gw\.example\.com\/servers/);
      assert.doesNotMatch(text, /url\(["']?data:|src="data:/);
    }
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    assert.doesNotMatch(html, /<style|style=|<script(?![^>]*\bsrc=)|\son\w+=/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('only the door speaks to the back end, and no type is given up', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true }).map(String).filter((file) => /\.(ts|svelte)$/.test(file));
  for (const file of sources) {
    const text = readFileSync(join(root, 'src', file), 'utf8');
    assert.doesNotMatch(text, /:\s*any\b|<any>|as any\b/, file);
    if (file !== join('door', 'tauri.ts')) assert.doesNotMatch(text, /@tauri-apps/, file);
    assert.doesNotMatch(text, /@html|\bfetch\(|localStorage|sessionStorage|navigator\.clipboard/, file);
    assert.ok(text.split('\n').length <= 420, `${file} is too long`);
  }
});

test('a changed command: new and gone words are told apart', () => {
  const marked = (line: string, other: string) => pieces(line, other).filter(({ changed }) => changed).map(({ text }) => text.trim());
  assert.deepEqual(marked('uvx b c', 'uvx a c'), ['b']);
  assert.deepEqual(marked('uvx c', 'uvx c'), []);
  assert.deepEqual(marked('sh -c evil', 'uvx c'), ['sh', '-c', 'evil']);
  assert.equal(pieces('uvx  two   blanks', 'x').map(({ text }) => text).join(''), 'uvx  two   blanks');
});

test('times and sizes as people say them', () => {
  const HOUR = 3_600_000;
  assert.equal(lasted(3 * HOUR + 12 * 60_000), '3 h 12 min');
  assert.equal(lasted(59_000), 'less than a minute');
  assert.equal(lasted(49 * HOUR), '2 days');
  assert.equal(away(24 * HOUR, 0), 'in 1 day');
  assert.equal(away(0, 50 * HOUR), '2 days ago');
  assert.equal(away(0, 1000), 'just now');
  assert.equal(bytes(41_000_000), '41 MB');
  assert.equal(bytes(999), '999 B');
});
