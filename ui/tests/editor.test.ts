// The editor by keyboard alone: what is checked, tested, saved, and held back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { Draft } from '../src/types.ts';
import { Stage } from './browser.ts';
import { focusOn, listen, press, shows, tabTo, type, until, witness } from './hands.ts';

let stage: Stage;
before(async () => (stage = await Stage.launch()));
after(() => stage.close());

const saved = (page: Page) => page.evaluate(() => window.culvertFake.saved.at(-1) as Draft);

test('fields are checked as typed, once one has been there', async () => {
  const page = await stage.open();
  await press(page, 'Control+n');
  await focusOn(page, /textbox "Name"/);
  assert.equal(await page.locator('[aria-invalid]').count(), 0);
  await type(page, 'a/b');
  await press(page, 'Tab');
  await shows(page, /^The name has a character that gateways do not take/);
  assert.equal(await page.locator('#name').getAttribute('aria-invalid'), 'true');
  await press(page, 'Shift+Tab');
  await type(page, 'a b');
  await until('no error', async () => (await page.locator('#name').getAttribute('aria-invalid')) === null);
  await tabTo(page, /textbox "Gateway’s address"/);
  await type(page, 'http://gw.example.com');
  await press(page, 'Tab');
  await shows(page, /^Without TLS, token and messages can be read/);
  await press(page, 'Control+s');
  await focusOn(page, /textbox "Command line"/);
  await shows(page, /^Not saved: 2 fields to correct\.$/);
  await stage.done(page);
});

test('an error in Advanced opens it', async () => {
  const page = await stage.open();
  await press(page, 'Control+n');
  await tabTo(page, /textbox "Command line"/);
  await type(page, 'uvx x');
  await tabTo(page, /textbox "Gateway’s address"/);
  await type(page, 'https://gw.example.com');
  await page.locator('#advanced summary').focus();
  await press(page, 'Enter');
  await tabTo(page, /textbox "Heartbeat \(seconds\)"/);
  await type(page, 'often');
  await page.locator('#advanced summary').focus();
  await press(page, 'Enter', 'Control+s');
  await focusOn(page, /textbox "Heartbeat \(seconds\)"/);
  await shows(page, '“often” is no number. The default is 30.');
  await type(page, '75');
  await press(page, 'Tab');
  await shows(page, /^Gateways drop clients that are silent for 90 s\. Use 60 s/);
  await press(page, 'Control+s');
  await page.getByRole('heading', { name: 'x-laptop-7' }).or(page.getByRole('heading', { name: 'server-laptop-7' })).waitFor();
  assert.deepEqual((await saved(page)).options, { keepalive: '75' });
  await stage.done(page);
});

test('command with arguments, secret variables, folder', async () => {
  const page = await stage.open();
  await press(page, 'Control+n');
  await tabTo(page, /radio "Command line" \[checked\]/);
  await press(page, 'ArrowDown');
  await focusOn(page, /radio "Command and arguments" \[checked\]/);
  await tabTo(page, /textbox "Command"/);
  await type(page, 'npx');
  await tabTo(page, /button "Add an argument"/);
  await press(page, 'Enter');
  await focusOn(page, /textbox "Argument 1"/);
  await type(page, '-y');
  await tabTo(page, /button "Add an argument"/);
  await press(page, 'Enter');
  await focusOn(page, /textbox "Argument 2"/);
  await type(page, 'two words');
  await page.locator('summary', { hasText: 'Environment and folder' }).focus();
  await press(page, 'Enter');
  await tabTo(page, /button "Add a variable"/);
  await press(page, 'Enter');
  await focusOn(page, /textbox "Variable"/);
  await type(page, 'API_KEY');
  await tabTo(page, /checkbox "Keep secret"/);
  await press(page, 'Space');
  await tabTo(page, /textbox "Value"/, 'Shift+Tab');
  await type(page, 'hush');
  assert.equal(await page.locator(':focus').getAttribute('type'), 'password');
  await tabTo(page, /textbox "Folder"/);
  await type(page, '/srv');
  await tabTo(page, /button "Use the built-in gateway"/);
  await press(page, 'Enter');
  await shows(page, 'The built-in gateway makes its own.');
  await press(page, 'Control+s');
  await until('saved', async () => (await saved(page)) !== undefined);
  const draft = await saved(page);
  assert.deepEqual(draft.server, {
    kind: 'command',
    program: 'npx',
    arguments: ['-y', 'two words'],
    environment: [{ name: 'API_KEY', value: { kind: 'secret', secret: { kind: 'typed', text: 'hush' } } }],
    folder: '/srv',
  });
  assert.deepEqual(draft.gateways, [{ kind: 'builtIn' }]);
  await stage.done(page);
});

test('a command line is split for the form with arguments', async () => {
  const page = await stage.open({ scenario: 'well' });
  await tabTo(page, /tab "Overview"/);
  await press(page, 'End');
  await shows(page, /^Found at/);
  await tabTo(page, /radio "Command line"/);
  await press(page, 'ArrowDown');
  await tabTo(page, /textbox "Command"/);
  assert.equal(await page.locator(':focus').inputValue(), 'npx');
  for (const word of ['-y', '@modelcontextprotocol/server-filesystem', '/home/ada/notes']) {
    await tabTo(page, /textbox "Argument \d"/);
    assert.equal(await page.locator(':focus').inputValue(), word);
  }
  await stage.done(page);
});

test('a server by URL, with headers and callers passed on', async () => {
  const page = await stage.open();
  await press(page, 'Control+n');
  await tabTo(page, /radio "Command line"/);
  await press(page, 'ArrowUp');
  await focusOn(page, /radio "URL" \[checked\]/);
  await tabTo(page, /textbox "URL"/);
  await type(page, 'http://127.0.0.1:8000/mcp');
  await tabTo(page, /combobox "It speaks"/);
  await press(page, 'ArrowDown');
  await tabTo(page, /button "Add a header"/);
  await press(page, 'Enter');
  await type(page, 'X-Team');
  await tabTo(page, /textbox "Value"/);
  await type(page, 'blue');
  await tabTo(page, /checkbox "Pass on who is calling/);
  await press(page, 'Space');
  await tabTo(page, /button "Pass on another header"/);
  await press(page, 'Enter');
  await type(page, 'X-User');
  await tabTo(page, /textbox "Gateway’s address"/);
  await type(page, 'https://gw.example.com');
  await press(page, 'Control+s');
  await until('saved', async () => (await saved(page)) !== undefined);
  assert.deepEqual((await saved(page)).server, {
    kind: 'sse',
    url: 'http://127.0.0.1:8000/mcp',
    headers: [{ name: 'X-Team', value: { kind: 'plain', text: 'blue' } }],
    forwardAuth: { kind: 'headers', names: ['X-User'] },
  });
  await stage.done(page);
});

test('certificate, passphrase and a proxy with a password: the secrets go to the keychain', async () => {
  const page = await stage.open({ scenario: 'well' });
  await tabTo(page, /tab "Overview"/);
  await press(page, 'End');
  await tabTo(page, /combobox "When Culvert starts"/);
  await press(page, 'Tab', 'Enter');
  await tabTo(page, /combobox "Passphrase of the private key: Kept in"/);
  await page.locator(':focus').selectOption('keychain');
  await tabTo(page, /textbox "New passphrase"/);
  await type(page, 'phrase');
  await press(page, 'Control+s');
  await focusOn(page, /combobox "Passphrase/);
  await shows(page, /^It says nothing without a client certificate/);
  await tabTo(page, /textbox "Client certificate"/, 'Shift+Tab');
  await type(page, '/etc/me.pem');
  await tabTo(page, /textbox "Its private key"/);
  await type(page, '/etc/me.key');
  await tabTo(page, /textbox "Proxy"/);
  await type(page, 'ftp://proxy');
  await press(page, 'Tab');
  await shows(page, /^This is no proxy’s address/);
  await press(page, 'Shift+Tab');
  await type(page, 'http://me:hush@proxy:3128');
  await press(page, 'Tab');
  await focusOn(page, /checkbox "Keep secret" \[checked\]/);
  assert.equal(await page.locator('#proxy').getAttribute('type'), 'password');
  await press(page, 'Control+s');
  await shows(page, 'Saved.');
  const { options, proxy, clientKeyPassphrase } = await saved(page);
  assert.deepEqual(options, { client_cert: '/etc/me.pem', client_key: '/etc/me.key' });
  assert.deepEqual(proxy, { kind: 'secret', secret: { kind: 'typed', text: 'http://me:hush@proxy:3128' } });
  assert.deepEqual(clientKeyPassphrase, { kind: 'typed', text: 'phrase' });
  await stage.done(page);
});

test('which tools pass: by name, by pattern, and what they may do', async () => {
  const page = await stage.open({ scenario: 'well' });
  await tabTo(page, /tab "Overview"/);
  await press(page, 'End');
  await tabTo(page, /combobox "When Culvert starts"/);
  await press(page, 'Tab', 'Enter');
  await tabTo(page, /checkbox "Only some tools pass/);
  await press(page, 'Space');
  await tabTo(page, /textbox "Tool that passes, 1"/);
  await type(page, 'git_*');
  await tabTo(page, /button "Add a tool that never passes"/);
  await press(page, 'Enter');
  await focusOn(page, /textbox "Tool that never passes, 1"/);
  await type(page, 'x'.repeat(300));
  await press(page, 'Tab');
  await shows(page, /^This is too long for a tool’s name/);
  await press(page, 'Shift+Tab');
  await type(page, 'git_push');
  await tabTo(page, /combobox "What they may do"/);
  await page.locator(':focus').selectOption('read-only');
  await tabTo(page, /checkbox "Let prompts pass/);
  await press(page, 'Space', 'Control+s');
  await shows(page, 'Saved.');
  const { options, tools } = await saved(page);
  assert.deepEqual(tools, { only: ['git_*'], never: ['git_push'] });
  assert.deepEqual(options, { tool_preset: 'read-only', prompts: 'false' });
  await stage.done(page);
});

test('Test fills in check by check, says the sum, and puts the focus on what failed', async () => {
  const page = await stage.open();
  const said = await listen(page);
  await page.getByRole('option', { name: /^git/ }).focus();
  await press(page, 'Home', 'ArrowDown', 'ArrowDown');
  await tabTo(page, /tab "Overview"/);
  await press(page, 'ArrowLeft');
  await focusOn(page, /tab "Edit"/);
  await tabTo(page, /button "Test"/);
  const checking = await witness(page, 'The gateway answers: checking');
  await press(page, 'Enter');
  await checking();
  await shows(page, 'All 5 checks passed.');
  assert.deepEqual(await said(), ['status: All 5 checks passed.']);
  await focusOn(page, /button "Test"/);

  await tabTo(page, /button "Replace…"/, 'Shift+Tab');
  await press(page, 'Enter');
  await focusOn(page, /textbox "New token"/);
  await type(page, 'bad');
  await tabTo(page, /button "Test"/);
  await press(page, 'Enter');
  await focusOn(page, /listitem/);
  assert.match((await page.locator(':focus').textContent()) ?? '', /The gateway takes the token: failed[\s\S]*auth\.rejected/);
  assert.equal((await said()).at(-1), 'status: 1 check failed.');
  await stage.done(page);
});

test('a test can be stopped, and a slow back end holds nothing else up', async () => {
  const page = await stage.open({ scenario: 'slow' });
  const said = await listen(page);
  await press(page, 'Control+n');
  await focusOn(page, /textbox "Name"/);
  await tabTo(page, /button "Test"/);
  await press(page, 'Enter');
  await focusOn(page, /button "Stop the test"/);
  await page.getByRole('listitem').filter({ hasText: 'checking' }).waitFor();
  await press(page, 'Enter');
  await focusOn(page, /button "Test"/);
  assert.deepEqual(await said(), ['status: Test stopped.']);
  await page.getByRole('listitem').first().waitFor({ state: 'detached' });
  await stage.done(page);
});

test('leaving with changes asks once: keep editing, discard, save', async () => {
  const page = await stage.open({ scenario: 'well' });
  const edit = async () => {
    await tabTo(page, /tab "(Overview|Edit)"/);
    if (!(await page.getByRole('tab', { name: 'Edit', selected: true }).isVisible())) await press(page, 'End');
    await focusOn(page, /tab "Edit"/);
    await tabTo(page, /textbox "Name"/);
    await type(page, 'renamed');
    await press(page, 'Escape');
    await shows(page, 'Save your changes?');
    await focusOn(page, /button "Save"/);
  };
  await edit();
  await press(page, 'Escape');
  await focusOn(page, /textbox "Name"/);
  await press(page, 'Control+,');
  await shows(page, 'Save your changes?');
  await tabTo(page, /button "Discard"/);
  await press(page, 'Enter');
  await focusOn(page, /heading "Settings"/);
  assert.equal(await page.evaluate(() => window.culvertFake.saved.length), 0);

  await press(page, 'Escape');
  await focusOn(page, /option/);
  await edit();
  await press(page, 'Enter');
  await until('saved', async () => (await saved(page))?.name === 'renamed');
  await page.getByRole('option', { name: /^renamed/ }).waitFor();
  await stage.done(page);
});

test('closing the window with changes asks as well', async () => {
  const page = await stage.open({ scenario: 'well' });
  await press(page, 'Control+n');
  await focusOn(page, /textbox "Name"/);
  await type(page, 'draft');
  await press(page, 'Control+w');
  await shows(page, 'Save your changes?');
  await tabTo(page, /button "Discard"/);
  await press(page, 'Enter');
  await shows(page, 'Your tunnels stay up');
  await press(page, 'Enter');
  await until('closed', async () => (await page.evaluate(() => window.culvertFake.closed.join())) === 'now');
  await stage.done(page);
});

test('a broken file is replaced only after asking', async () => {
  const page = await stage.open({ scenario: 'broken' });
  await tabTo(page, /tab "Overview"/);
  await press(page, 'End');
  await tabTo(page, /button "Save"/);
  await press(page, 'Enter');
  await shows(page, 'Replace the file?');
  await press(page, 'Escape');
  await focusOn(page, /button "Save"/);
  assert.equal(await page.evaluate(() => window.culvertFake.saved.length), 0);
  await press(page, 'Enter');
  await focusOn(page, /button "Replace"/);
  await press(page, 'Enter');
  await shows(page, 'Saved.');
  await stage.done(page);
});

test('a profile in a file of the user’s own can be read and tested, not changed', async () => {
  const page = await stage.open({ scenario: 'foreign' });
  await tabTo(page, /tab "Overview"/);
  await press(page, 'End');
  await shows(page, /^This profile is in a file of your own, \/home\/ada\/servers\.yaml\./);
  await tabTo(page, /button "Test"/);
  assert.equal(await page.locator('#name').isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: 'Delete…' }).count(), 0);
  await press(page, 'Enter');
  await shows(page, 'All 5 checks passed.');
  await stage.done(page);
});
