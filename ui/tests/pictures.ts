// Draws every main view, light and dark, into docs/images: run.sh pictures [NAME...].

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { Stage, type Look } from './browser.ts';
import { smaller } from './png.ts';

const NOW = '2026-11-22T14:05:00Z';
const to = process.env['CULVERT_PICTURES'] ?? join(process.env['CULVERT_CHECKOUT'] ?? '..', 'docs', 'images');

type Scheme = 'light' | 'dark';
type Shot = { name: string; look: Look; before?: (page: Page) => Promise<void>; schemes?: Scheme[] };


const open = (name: string) => async (page: Page) => page.getByRole('option', { name }).click();
const tab = (profile: string, name: string) => async (page: Page) => {
  await open(profile)(page);
  await page.getByRole('tab', { name }).click();
};
const SMALL: [number, number] = [560, 420];

const shots: Shot[] = [
  { name: 'empty', look: { scenario: 'empty' } },
  { name: 'overview', look: {}, before: open('git') },
  { name: 'token-rejected', look: {}, before: open('db') },
  { name: 'activity', look: {}, before: tab('git', 'Activity') },
  { name: 'tools', look: {}, before: tab('git', 'Tools') },
  {
    name: 'tools-changed',
    look: { scenario: 'heldTools' },
    before: async (page) => {
      await tab('git', 'Tools')(page);
      await page.getByRole('group', { name: /git_show/ }).waitFor();
    },
  },
  { name: 'log', look: {}, before: tab('git', 'Log') },
  { name: 'edit', look: {}, before: tab('git', 'Edit') },
  {
    name: 'advanced',
    look: { size: [880, 860] },
    before: async (page) => {
      await tab('git', 'Edit')(page);
      await page.locator('#advanced > summary').click();
      await page.getByRole('checkbox', { name: /^Only some tools/ }).check();
      await page.locator('#tool-allowed-0').fill('git_*');
      await page.locator('#topic-way').evaluate((topic) => topic.scrollIntoView());
    },
  },
  {
    name: 'test',
    look: {},
    before: async (page) => {
      await tab('git', 'Edit')(page);
      await page.getByRole('button', { name: 'Test' }).click();
      await page.getByText('All 5 checks passed.').last().waitFor();
    },
  },
  {
    name: 'import',
    look: {},
    before: async (page) => {
      await page.getByRole('button', { name: 'Import…' }).click();
      await page.getByRole('checkbox', { name: 'search' }).check();
    },
  },
  { name: 'settings', look: { scenario: 'gatewayOn' }, before: (page) => page.getByRole('button', { name: 'Settings' }).click() },
  {
    name: 'support',
    look: {},
    before: async (page) => {
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('button', { name: 'Make one…' }).click();
      await page.getByText('== Doctor').waitFor();
    },
  },
  { name: 'command-changed', look: { scenario: 'changed' } },
  {
    name: 'use-in',
    look: {},
    before: async (page) => {
      await open('git')(page);
      await page.getByRole('button', { name: 'Use in' }).click();
    },
  },
  { name: 'narrow-list', look: { size: SMALL } },
  { name: 'narrow-overview', look: { size: SMALL }, before: open('git') },
  { name: 'text-200', look: { text: 200 }, before: open('git'), schemes: ['light'] },
  { name: 'reduced-motion', look: { reducedMotion: 'reduce' }, before: open('files'), schemes: ['light'] },
  { name: 'forced-colors', look: { forcedColors: 'active' }, before: open('db') },
];

mkdirSync(to, { recursive: true });
const BOTH: Scheme[] = ['light', 'dark'];
const only = process.argv.slice(2);
const stage = await Stage.launch();
try {
  for (const { name, look, before, schemes = BOTH } of shots) {
    if (only.length > 0 && !only.includes(name)) continue;
    for (const colorScheme of schemes) {
      const page = await stage.open({ ...look, colorScheme, at: NOW });
      await before?.(page);
      await page.mouse.move(0, 0);
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      if (name === 'use-in') await page.getByRole('button', { name: 'Use in' }).click();
      await page.evaluate(() => document.fonts.ready.then(() => new Promise(requestAnimationFrame)));
      writeFileSync(join(to, `window-${name}${schemes.length > 1 ? `-${colorScheme}` : ''}.png`), smaller(await page.screenshot()));
      await stage.done(page);
    }
  }
} finally {
  await stage.close();
}
