// Every view for everyone: axe finds nothing, light and dark; large text, forced
// colours and reduced motion hold.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { Stage } from './browser.ts';
import { press, shows } from './hands.ts';

let stage: Stage;
before(async () => (stage = await Stage.launch()));
after(() => stage.close());

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

type View = { name: string; scenario: string; show?: (page: Page) => Promise<unknown> };

const profile = (name: string) => (page: Page) => page.getByRole('option', { name }).click();
const tab = (name: string) => async (page: Page) => {
  // In a narrow window the list is the first page.
  await page.getByRole('option').first().click();
  await page.getByRole('tab', { name }).click();
};
const button = (name: string) => (page: Page) => page.getByRole('button', { name }).first().click();

const views: View[] = [
  { name: 'empty', scenario: 'empty' },
  { name: 'overview', scenario: 'well', show: profile('git') },
  { name: 'off', scenario: 'usual', show: profile('time') },
  { name: 'waiting', scenario: 'waiting', show: profile('git') },
  { name: 'token rejected', scenario: 'rejected', show: profile('db') },
  { name: 'keychain locked', scenario: 'locked', show: profile('db') },
  { name: 'command changed', scenario: 'changed', show: profile('git') },
  { name: 'broken file, no tray', scenario: 'noTray', show: profile('git') },
  {
    name: 'activity',
    scenario: 'well',
    show: async (page) => {
      await tab('Activity')(page);
      await page.getByRole('listitem').nth(4).getByRole('button').click();
    },
  },
  { name: 'tools', scenario: 'well', show: (page) => profile('git')(page).then(() => page.getByRole('tab', { name: 'Tools' }).click()) },
  { name: 'tools changed', scenario: 'heldTools', show: (page) => profile('git')(page).then(() => page.getByRole('tab', { name: 'Tools' }).click()) },
  { name: 'log', scenario: 'well', show: tab('Log') },
  {
    name: 'edit, whole',
    scenario: 'well',
    show: async (page) => {
      await tab('Edit')(page);
      await page.locator('#name').fill('a/b');
      await page.locator('#server').fill('');
      for (const fold of await page.locator('main details').all()) await fold.locator('summary').click();
      await page.getByRole('button', { name: 'Add a variable' }).click();
      await page.getByRole('checkbox', { name: 'Keep secret' }).first().check();
      await shows(page, /^There is no local server yet/);
    },
  },
  {
    name: 'edit, by URL',
    scenario: 'well',
    show: async (page) => {
      await tab('Edit')(page);
      await page.getByRole('radio', { name: 'URL' }).check();
      await page.getByRole('checkbox', { name: /Pass on who/ }).check();
      await page.getByRole('button', { name: 'Add a header' }).click();
    },
  },
  {
    name: 'test',
    scenario: 'well',
    show: async (page) => {
      await tab('Edit')(page);
      await page.getByRole('button', { name: 'Replace…' }).click();
      await page.getByLabel('New token').fill('bad');
      await page.getByRole('button', { name: 'Test', exact: true }).click();
      await shows(page, '1 check failed.');
    },
  },
  {
    name: 'import',
    scenario: 'usual',
    show: async (page) => {
      await button('Import…')(page);
      await page.getByRole('checkbox', { name: 'search' }).check();
    },
  },
  { name: 'settings', scenario: 'gatewayOn', show: (page) => button('Settings')(page).then(() => page.locator('summary').click()) },
  {
    name: 'support bundle',
    scenario: 'well',
    show: async (page) => {
      await button('Settings')(page);
      await button('Make one…')(page);
      await shows(page, /== Doctor/);
    },
  },
  { name: 'a file of one’s own', scenario: 'foreign', show: tab('Edit') },
  { name: 'port taken', scenario: 'portTaken', show: button('Settings') },
  { name: 'about', scenario: 'well', show: (page) => button('Settings')(page).then(() => button('About Culvert')(page)) },
  {
    name: 'menu',
    scenario: 'well',
    show: async (page) => {
      await profile('git')(page);
      await page.getByRole('button', { name: 'Use in' }).click();
    },
  },
  {
    name: 'question, note',
    scenario: 'well',
    show: async (page) => {
      await profile('git')(page);
      await page.getByRole('button', { name: 'Copy the address' }).click();
      await page.getByRole('button', { name: 'More' }).click();
      await page.getByRole('menuitem', { name: 'Delete…' }).click();
    },
  },
];

async function violations(page: Page): Promise<string> {
  await page.evaluate(axe);
  const { violations } = (await page.evaluate(`axe.run({ resultTypes: ['violations'] })`)) as AxeResults;
  return violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).join('\n')}`).join('\n');
}

/** What reaches past the window's edge, or lies where nobody can scroll to. */
function cut(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    for (const element of document.querySelectorAll<HTMLElement>('main *, nav *, dialog[open] *')) {
      const { left, right, width, height } = element.getBoundingClientRect();
      const visible = width > 1 && height > 1 && !element.closest('.said, .box');
      if (visible && (right > innerWidth + 1 || left < -1)) found.push(`${element.tagName} ${element.className} ${element.textContent?.slice(0, 40)}`);
    }
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
    if (document.documentElement.scrollHeight > innerHeight) found.push('the page scrolls, not what is in it');
    return found;
  });
}

for (const { name, scenario, show } of views) {
  test(`${name}: axe finds nothing, light or dark; nothing is cut off in a small window, or with large text`, async () => {
    const page = await stage.open({ scenario });
    await show?.(page);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      assert.equal(await violations(page), '', colorScheme);
    }
    await page.setViewportSize({ width: 560, height: 420 });
    assert.deepEqual(await cut(page), [], 'small window');
    await page.setViewportSize({ width: 880, height: 600 });
    await stage.enlarge(page, 200);
    assert.deepEqual(await cut(page), [], 'text at 200 %');
    await stage.usual(page);
    await stage.done(page);
  });
}

test('text at 200 % in the smallest window: every task can still be reached', async () => {
  const page = await stage.open({ text: 200, size: [560, 420], scenario: 'well' });
  await page.getByRole('option', { name: 'git' }).click();
  await page.getByRole('switch', { name: 'Connect' }).click();
  await page.getByRole('tab', { name: 'Edit' }).click();
  await page.getByLabel('Name', { exact: true }).fill('other');
  await page.getByRole('button', { name: 'Save' }).click();
  await shows(page, 'Saved.');
  assert.deepEqual(await cut(page), []);
  await stage.done(page);
});

test('forced colours: states and choices do not rest on colour', async () => {
  const page = await stage.open({ forcedColors: 'active', scenario: 'usual' });
  const shapes = await page.getByRole('option').evaluateAll((rows) => rows.map((row) => row.querySelector('svg')?.innerHTML));
  assert.equal(new Set(shapes).size, 3, 'attention, online and off are three shapes');
  const outline = await page.getByRole('option', { selected: true }).evaluate((row) => getComputedStyle(row).outlineStyle);
  assert.equal(outline, 'solid');
  const borders = await page.getByRole('tab').evaluateAll((tabs) => tabs.map((tab) => getComputedStyle(tab).borderBottomColor));
  assert.equal(new Set(borders).size, 2, 'the chosen tab is marked by its line');
  await stage.done(page);
});

test('reduced motion: nothing moves', async () => {
  for (const [reducedMotion, moves] of [['reduce', false], ['no-preference', true]] as const) {
    const page = await stage.open({ reducedMotion, scenario: 'well' });
    const length = await page.getByRole('switch').evaluate((element) => getComputedStyle(element).transitionDuration);
    assert.equal(length !== '0s', moves);
    await stage.done(page);
  }
});

test('the focus can be seen on whatever has it', async () => {
  const page = await stage.open({ scenario: 'well' });
  for (;;) {
    await press(page, 'Tab');
    // After the last one the focus leaves the page.
    if ((await page.locator(':focus').count()) === 0) break;
    const seen = await page.locator(':focus').evaluate((element) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
    });
    assert.ok(seen, `no outline on ${await page.locator(':focus').ariaSnapshot()}`);
  }
  await stage.done(page);
});
