// The built front end in a headless Chromium, under the Content-Security-Policy that the
// app gives it. Whatever the page complains of fails the test that opened it.

import { readFileSync, existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import type {} from '../src/fake/door.ts';

const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

const ROOT = join(import.meta.dirname, '..', 'dist-fake');

function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://x').pathname);
    const file = join(ROOT, path === '/' ? 'index.html' : path);
    if (!file.startsWith(ROOT) || !existsSync(file)) return response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': CSP });
    response.end(readFileSync(file));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function executable(): string {
  const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const found = [process.env['CULVERT_CHROMIUM'] ?? '', ...known].find((path) => path && existsSync(path));
  if (!found) throw new Error('no Chromium here; `make setup-ui` installs it, or name it in CULVERT_CHROMIUM');
  return found;
}

export type Look = {
  scenario?: string;
  colorScheme?: 'light' | 'dark';
  forcedColors?: 'active' | 'none';
  reducedMotion?: 'reduce' | 'no-preference';
  size?: [width: number, height: number];
  /** In per cent of the usual text size. */
  text?: number;
  /** A fixed moment for pictures. */
  at?: string;
};

const SIZE: [number, number] = [880, 600];
const looks = new WeakMap<Page, string>();
const complaints = new WeakMap<Page, string[]>();

export class Stage {
  private readonly browser: Browser;
  private readonly server: Server;

  private constructor(browser: Browser, server: Server) {
    this.browser = browser;
    this.server = server;
  }

  static async launch(): Promise<Stage> {
    const args = ['--no-sandbox', '--disable-dev-shm-usage', '--font-render-hinting=none', '--disable-lcd-text', '--disable-gpu'];
    const env = { ...process.env, FONTCONFIG_FILE: join(import.meta.dirname, 'fonts.conf') } as Record<string, string>;
    return new Stage(await chromium.launch({ executablePath: executable(), args, env }), await serve());
  }

  /** The page that the last test left, if it looks the same: a new one takes ten times as long. */
  private idle: { page: Page; look: string } | null = null;

  async open(look: Look = {}): Promise<Page> {
    const { scenario = 'usual', at, text, ...rest } = look;
    const key = JSON.stringify(rest);
    const page = this.idle?.look === key && !at ? this.idle.page : await this.fresh(rest);
    this.idle = null;
    looks.set(page, key);
    if (at) await page.clock.setFixedTime(at);
    if (text) await this.enlarge(page, text);
    await page.goto(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}/?scenario=${scenario}`);
    await page.locator('.window').waitFor();
    return page;
  }

  private async fresh(look: Look): Promise<Page> {
    const [width, height] = look.size ?? SIZE;
    const context = await this.browser.newContext({
      viewport: { width, height },
      colorScheme: look.colorScheme ?? 'light',
      forcedColors: look.forcedColors ?? 'none',
      reducedMotion: look.reducedMotion ?? 'reduce',
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    const said: string[] = [];
    complaints.set(page, said);
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && said.push(message.text()));
    page.on('pageerror', (error) => said.push(String(error.stack)));
    return page;
  }

  /** As a user's larger text does it, in per cent. Such a page is not used again. */
  async enlarge(page: Page, text: number): Promise<void> {
    looks.delete(page);
    const session = await page.context().newCDPSession(page);
    const standard = (16 * text) / 100;
    await session.send('Page.setFontSizes', { fontSizes: { standard, fixed: standard } });
  }

  /** As it was when opened with no look of its own. */
  async usual(page: Page): Promise<void> {
    await this.enlarge(page, 100);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: SIZE[0], height: SIZE[1] });
    looks.set(page, '{}');
  }

  /** Gives it back; throws if the page complained. A test that fails never comes here, and its page is not used again. */
  async done(page: Page): Promise<void> {
    const look = looks.get(page);
    const said = complaints.get(page) ?? [];
    if (look === undefined || this.idle || said.length > 0) await page.context().close();
    else this.idle = { page, look };
    if (said.length > 0) throw new Error(`the page complained:\n${said.join('\n')}`);
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.server.closeAllConnections();
    this.server.close();
  }
}
