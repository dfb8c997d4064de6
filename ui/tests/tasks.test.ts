// From an empty window on: trying, adding, bringing over, deleting, settings, and every
// way a token can go; by keyboard alone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { Draft } from '../src/types.ts';
import { Stage } from './browser.ts';
import { focusOn, listen, press, shows, tabTo, type, until } from './hands.ts';

let stage: Stage;
before(async () => (stage = await Stage.launch()));
after(() => stage.close());

const saved = (page: Page) => page.evaluate(() => window.culvertFake.saved.at(-1) as Draft);

/** Nothing on the page holds it: no text, no attribute, no field. */
async function forgotten(page: Page, secret: string): Promise<void> {
  const fields = await page.evaluate(() => [...document.querySelectorAll('input')].map((input) => input.value).join('\n'));
  assert.ok(!fields.includes(secret) && !(await page.content()).includes(secret), 'the page still holds a secret');
}

test('an empty window leads to the first tunnel: Try it', async () => {
  const page = await stage.open({ scenario: 'empty' });
  await shows(page, 'Nothing is shared yet.');
  await shows(page, 'uvx mcp-server-time');
  await tabTo(page, /button "Try it/);
  await press(page, 'Enter');
  await focusOn(page, /option "time online, 12 ms" \[selected\]/);
  await stage.done(page);
});

test('an empty window leads to the first tunnel: Add a server', async () => {
  const page = await stage.open({ scenario: 'empty' });
  await tabTo(page, /button "Add a server/);
  await press(page, 'Enter');
  await focusOn(page, /textbox "Name"/);
  await tabTo(page, /textbox "Command line"/);
  await type(page, 'uvx mcp-server-git');
  await shows(page, 'Registers as git-laptop-7.');
  await shows(page, /^Found at .*uvx, as in your login shell\.$/);
  await tabTo(page, /textbox "Gateway’s address"/);
  await type(page, 'https://gw.example.com');
  await tabTo(page, /textbox "New token"/);
  await type(page, 'very-secret-token');
  await tabTo(page, /button "Save and connect"/);
  await press(page, 'Enter');
  await focusOn(page, /heading "git-laptop-7"/);
  await shows(page, /^Online for/);
  assert.deepEqual((await saved(page)).token, { kind: 'typed', text: 'very-secret-token' });
  await forgotten(page, 'very-secret-token');
  await stage.done(page);
});

test('deleting asks, and the focus goes to the next profile, in the end to the empty window', async () => {
  const page = await stage.open({ scenario: 'well' });
  for (const [name, next] of [
    ['files', /option "git/],
    ['git', /option "time/],
    ['time', /button "Import/],
  ] as const) {
    await page.getByRole('heading', { name }).waitFor();
    await tabTo(page, /button "More"/);
    await press(page, 'ArrowUp');
    await focusOn(page, /menuitem "Delete…"/);
    await press(page, 'Enter');
    await shows(page, `Delete ${name}?`);
    await focusOn(page, /button "Cancel"/);
    await tabTo(page, /button "Delete"/);
    await press(page, 'Enter');
    await focusOn(page, next);
    await shows(page, `${name} deleted.`);
  }
  await shows(page, 'Nothing is shared yet.');
  await stage.done(page);
});

test('import: each command in full, nothing chosen beforehand, a missing value is asked for', async () => {
  const page = await stage.open({ scenario: 'empty' });
  await shows(page, 'Claude Desktop has 4 servers. Choose which to bring over.');
  await tabTo(page, /button "Import/);
  await press(page, 'Enter');
  await focusOn(page, /heading "Import"/);
  await shows(page, 'docker run -i --rm -v memory:/app/dist mcp/memory');
  assert.equal(await page.getByRole('checkbox', { checked: true }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Import', exact: true }).isDisabled(), true);
  await tabTo(page, /checkbox "notes"/);
  await press(page, 'Space');
  await tabTo(page, /checkbox "search"/);
  await press(page, 'Space');
  await tabTo(page, /button "Import 2 servers"/);
  await press(page, 'Enter');
  await focusOn(page, /textbox "BRAVE_API_KEY"/);
  await shows(page, 'search needs a value.');
  await type(page, 'brave-secret');
  await tabTo(page, /button "Import 2 servers"/);
  await press(page, 'Enter');
  await focusOn(page, /option "notes off" \[selected\]/);
  await shows(page, '2 servers imported. Each stays off until you connect it.');
  await forgotten(page, 'brave-secret');
  await stage.done(page);
});

test('import: what another app asks for is asked here, a broken entry is told', async () => {
  const page = await stage.open({ scenario: 'empty' });
  await tabTo(page, /button "Import/);
  await press(page, 'Enter');
  await shows(page, /^Line 12: the server "old" has neither a command nor a url\.$/);
  await shows(page, 'http://127.0.0.1:7070/mcp');
  await tabTo(page, /checkbox "tickets"/);
  await press(page, 'Space');
  await tabTo(page, /combobox "Which region\?"/);
  assert.equal(await page.locator(':focus').inputValue(), 'eu');
  await press(page, 'ArrowDown');
  await tabTo(page, /button "Import 1 server"/);
  await press(page, 'Enter');
  await focusOn(page, /option "tickets off" \[selected\]/);
  await stage.done(page);
});

test('import from another file tells when there is none', async () => {
  const page = await stage.open();
  await tabTo(page, /button "Import…"/);
  await press(page, 'Enter');
  await tabTo(page, /textbox "Another file"/);
  await type(page, '/no/such.json');
  await press(page, 'Enter');
  await shows(page, 'There is no file /no/such.json.');
  await stage.done(page);
});

test('a changed command is shown old and new, and runs only after agreeing to just that', async () => {
  const page = await stage.open({ scenario: 'changed' });
  await shows(page, 'The command was changed outside Culvert. It runs only after you agree.');
  assert.equal(await page.locator('del').first().innerText(), '/home/ada/code');
  assert.deepEqual(await page.locator('ins').allInnerTexts(), ['--from', 'git+https://github.com/someone/fork', '/home/ada', 'pass show github']);
  await shows(page, 'and, for a secret,');
  await tabTo(page, /button "Run the new command"/);
  assert.deepEqual(await page.evaluate(() => window.culvertFake.agreed), []);
  await press(page, 'Enter');
  await focusOn(page, /heading "git"/);
  await shows(page, /^Online for/);
  assert.deepEqual(await page.evaluate(() => window.culvertFake.agreed), ['sha256:5f70bf18']);
  await stage.done(page);
});

test('a changed command may be left off', async () => {
  const page = await stage.open({ scenario: 'changed' });
  await tabTo(page, /button "Leave it off"/);
  await press(page, 'Enter');
  await focusOn(page, /switch "Connect"$/);
  assert.deepEqual(await page.evaluate(() => window.culvertFake.agreed), []);
  await stage.done(page);
});

test('settings: switches, built-in gateway and a profile that uses it', async () => {
  const page = await stage.open({ scenario: 'well' });
  await press(page, 'Control+,');
  await focusOn(page, /heading "Settings"/);
  await tabTo(page, /switch "Launch at login" \[checked\]/);
  await press(page, 'Space');
  await focusOn(page, /switch "Launch at login"$/);
  await tabTo(page, /switch "Built-in gateway"$/);
  await press(page, 'Space');
  await shows(page, 'On at http://127.0.0.1:4444');
  await focusOn(page, /switch "Built-in gateway" \[checked\]/);
  await tabTo(page, /button "Choose a profile"/);
  await press(page, 'Enter', 'ArrowDown', 'Enter');
  await shows(page, 'git now uses the built-in gateway.');
  await page.locator('summary').focus();
  await press(page, 'Enter');
  await tabTo(page, /button "Copy: culvert gateway/);
  await press(page, 'Enter');
  await until('a command', async () => (await page.evaluate(() => window.culvertFake.clipboard.join())).startsWith('culvert gateway'));
  await tabTo(page, /button "About Culvert"/);
  await press(page, 'Enter');
  await shows(page, 'Version 0.1.0');
  await press(page, 'Escape');
  await focusOn(page, /button "About Culvert"/);
  await stage.done(page);
});

test('a port that is taken is told, and another can be chosen', async () => {
  const page = await stage.open({ scenario: 'portTaken' });
  await press(page, 'Control+,');
  await shows(page, /^Another program listens on port 4444\.$/);
  await tabTo(page, /textbox "Port"/);
  await type(page, '4545');
  await tabTo(page, /button "Try again"/);
  await press(page, 'Enter');
  await shows(page, 'On at http://127.0.0.1:4545');
  await stage.done(page);
});

test('a rejected token: the field is right there, and what was typed is forgotten', async () => {
  const page = await stage.open({ scenario: 'rejected' });
  await tabTo(page, /textbox "New token"/);
  await type(page, 'fresh-token');
  await press(page, 'Enter');
  await focusOn(page, /heading "db"/);
  await shows(page, 'Token saved in your keychain.');
  await shows(page, /^Online for/);
  await forgotten(page, 'fresh-token');
  await stage.done(page);
});

test('a token that cannot be saved keeps the focus in its field', async () => {
  const page = await stage.open({ scenario: 'rejected' });
  const said = await listen(page);
  await tabTo(page, /textbox "New token"/);
  await type(page, 'bad');
  await press(page, 'Enter');
  await shows(page, 'The keychain that holds the token is locked. Unlock it, or keep the token in a variable or a file.');
  await focusOn(page, /textbox "New token"/);
  assert.match((await said()).join(), /^alert: /);
  await stage.done(page);
});

test('a locked keychain: unlock, and the tunnel comes up', async () => {
  const page = await stage.open({ scenario: 'locked' });
  await tabTo(page, /button "Unlock"/);
  await press(page, 'Enter');
  await shows(page, /^Online for/);
  await stage.done(page);
});

test('no keychain: the token may stand in a variable', async () => {
  const page = await stage.open({ scenario: 'noKeychain' });
  await tabTo(page, /button "Use a variable or file"/);
  await press(page, 'Enter');
  await focusOn(page, /combobox "Token: Kept in"/);
  await press(page, 'ArrowDown');
  await tabTo(page, /textbox "Variable’s name"/);
  await type(page, 'GATEWAY_TOKEN');
  await press(page, 'Control+s');
  await until('saved', async () => (await saved(page)) !== undefined);
  assert.deepEqual((await saved(page)).token, { kind: 'environment', variable: 'GATEWAY_TOKEN' });
  await stage.done(page);
});

test('no tray: the window says why', async () => {
  const page = await stage.open({ scenario: 'noTray' });
  await shows(page, /^This desktop shows no tray icons\./);
  await tabTo(page, /button "Dismiss"/);
  await press(page, 'Enter');
  await page.getByRole('note').waitFor({ state: 'detached' });
  await stage.done(page);
});

test('a support bundle is read before it is saved, and can be copied', async () => {
  const page = await stage.open({ scenario: 'well' });
  const said = await listen(page);
  await press(page, 'Control+,');
  await focusOn(page, /heading "Settings"/);
  await tabTo(page, /button "Make one…"/);
  await press(page, 'Enter');
  await focusOn(page, /heading "(Back )?Support bundle"/);
  await shows(page, /== Doctor/);
  assert.deepEqual(await said(), ['status: The support bundle is ready to read.']);
  await tabTo(page, /region "The support bundle’s text"/);
  await tabTo(page, /button "Save"/);
  await press(page, 'Enter');
  await shows(page, /^Saved as \/home\/ada\/Downloads\/culvert-support-/);
  await tabTo(page, /button "Copy"/);
  await press(page, 'Enter');
  await shows(page, 'Copied.');
  assert.match(await page.evaluate(() => window.culvertFake.clipboard.at(-1) ?? ''), /^Culvert support bundle/);
  await press(page, 'Escape');
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  await stage.done(page);
});

test('a support bundle that is not wanted any more is not gathered on', async () => {
  const page = await stage.open({ scenario: 'slow' });
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Make one…' }).click();
  await shows(page, /^Gathering\./);
  assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true);
  await page.getByRole('main').getByRole('button', { name: 'Back' }).click();
  await focusOn(page, /button "Make one…"/);
  await until('it was told', () => page.evaluate(() => window.culvertFake.abandoned.includes('support')));
  await stage.done(page);
});
