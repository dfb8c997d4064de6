// The page of tools, by keyboard alone: what may pass, each tool's switch, and what waits for a decision.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Stage } from './browser.ts';
import { focusOn, listen, press, shows, tabTo, type, until } from './hands.ts';

let stage: Stage;
before(async () => (stage = await Stage.launch()));
after(() => stage.close());

async function toTools(page: Page, name: RegExp): Promise<void> {
  await page.getByRole('option', { name }).click();
  await tabTo(page, /tab "Overview" \[selected\]/);
  await press(page, 'ArrowRight', 'ArrowRight');
  await focusOn(page, /tab "Tools" \[selected\]/);
}

test('a tool is switched off and on, found by what it says, and all are switched on again', async () => {
  const page = await stage.open({ scenario: 'well' });
  await toTools(page, /^git/);
  await shows(page, '9 of 10 pass');
  await tabTo(page, /searchbox "Find a tool"/);
  await type(page, 'remote');
  await tabTo(page, /switch "Let git_push pass" \[checked\]/);
  await press(page, 'Space');
  await focusOn(page, /switch "Let git_push pass"$/);
  await shows(page, '8 of 10 pass');
  await press(page, 'Space');
  await focusOn(page, /switch "Let git_push pass" \[checked\]/);
  await press(page, 'Space');
  await tabTo(page, /button "Switch all on"/, 'Shift+Tab');
  await press(page, 'Enter');
  await shows(page, '9 of 10 pass');
  await stage.done(page);
});

test('what a pattern switches off, or the preset, has a switch that says so and does not move', async () => {
  const page = await stage.open({ scenario: 'well' });
  await toTools(page, /^git/);
  const reset = page.getByRole('switch', { name: 'Let git_reset pass' });
  assert.equal(await reset.isDisabled(), true);
  assert.match((await reset.getAttribute('aria-describedby')) ?? '', /-rule$/);
  await shows(page, 'Switched off by the pattern git_r*. Change that under Edit.');
  await tabTo(page, /combobox "Tools may"/);
  await page.locator(':focus').selectOption('onlyRead');
  await shows(page, '5 of 10 pass');
  assert.equal(await page.getByRole('switch', { name: 'Let git_commit pass' }).isDisabled(), true);
  assert.equal(await page.getByText('It does not say that it only reads.').count(), 4);
  await tabTo(page, /switch "Prompts pass" \[checked\]/);
  await press(page, 'Space');
  await focusOn(page, /switch "Prompts pass"$/);
  await stage.done(page);
});

test('held tools: old beside new, approved or kept blocked, and the profile is well again', async () => {
  const page = await stage.open({ scenario: 'heldTools' });
  const said = await listen(page);
  await page.getByRole('option', { name: /^git 2 tools changed/ }).click();
  await shows(page, /^2 tools are new or have changed/);
  await tabTo(page, /button "Look at them"/);
  await press(page, 'Enter');
  await focusOn(page, /heading "2 tools wait for you"/);
  const held = page.getByRole('group', { name: /git_show/ });
  assert.match((await held.textContent()) ?? '', /What it says it does\s*Approved\s*Shows the contents of a commit\.\s*Now\s*Shows the contents of a commit, and mails/);
  assert.deepEqual(await held.locator('ins').evaluateAll((all) => all.map((one) => one.textContent?.trim()).slice(0, 3)), [
    'commit, and mails a copy to the address in the message.',
    '},',
    '"copy_to": {',
  ]);
  const fresh = page.getByRole('group', { name: /git_stash is new/ });
  assert.match((await fresh.textContent()) ?? '', /What it says it does\s*Puts the changes.*What it takes\s*\{\s*"properties"/s);
  assert.equal(await fresh.getByText('Approved').count(), 0, 'nothing stands beside what is new');
  assert.match((await held.textContent()) ?? '', /What it says of its effects\s*Approved\s*nothing/);
  await tabTo(page, /button "Keep blocked"/);
  await press(page, 'Enter');
  await focusOn(page, /heading "1 tool waits for you"/);
  await shows(page, 'git_show stays blocked.');
  await tabTo(page, /button "Approve"/);
  await press(page, 'Enter');
  await focusOn(page, /heading "What may pass"/);
  await page.getByRole('option', { name: /^git online/ }).waitFor();
  assert.deepEqual(await page.evaluate(() => window.culvertFake.decisions), [
    { name: 'git_show', digest: 'digest of git_show', decision: 'keepBlocked' },
    { name: 'git_stash', digest: 'digest of git_stash', decision: 'approve' },
  ]);
  assert.ok((await said()).includes('status: git_stash approved.'), (await said()).join());
  await tabTo(page, /button "Approve git_show"/);
  await press(page, 'Enter');
  await until('the switch alone', async () => (await page.getByRole('button', { name: 'Approve git_show' }).count()) === 0);
  await stage.done(page);
});

test('several are approved at once', async () => {
  const page = await stage.open({ scenario: 'heldTools' });
  await toTools(page, /^git/);
  await tabTo(page, /button "Approve all"/);
  await press(page, 'Enter');
  await shows(page, '2 tools approved.');
  await stage.done(page);
});

test('of a server that does not run, only the rules are there', async () => {
  const page = await stage.open();
  await toTools(page, /^time/);
  await shows(page, 'They are listed here once the server has started.');
  await tabTo(page, /switch "Hold tools that change"/);
  await press(page, 'Space');
  await focusOn(page, /switch "Hold tools that change" \[checked\]/);
  await stage.done(page);
});

test('in a file of one’s own nothing can be switched', async () => {
  const page = await stage.open({ scenario: 'foreign' });
  await page.getByRole('tab', { name: 'Tools' }).click();
  await shows(page, '9 of 10 pass');
  for (const one of await page.locator('#panel').getByRole('switch').all()) assert.equal(await one.isDisabled(), true);
  await stage.done(page);
});
