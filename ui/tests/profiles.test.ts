// Seeing, switching and asking why, by keyboard alone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Status } from '../src/types.ts';
import { Stage } from './browser.ts';
import { focused, focusOn, listen, press, shows, tabTo, type, until, witness } from './hands.ts';

let stage: Stage;
before(async () => (stage = await Stage.launch()));
after(() => stage.close());

test('goes through the profiles, opens one, and comes back', async () => {
  const page = await stage.open();
  await tabTo(page, /option "db token rejected"/);
  await press(page, 'ArrowDown');
  await focusOn(page, /option "files online, 15 ms, in use by claude" \[selected\]/);
  await page.getByRole('heading', { name: 'files' }).waitFor();
  await press(page, 'End');
  await focusOn(page, /option "time off" \[selected\]/);
  await press(page, 'Home', 'ArrowDown', 'ArrowDown', 'Enter');
  await focusOn(page, /tab "Overview" \[selected\]/);
  await press(page, 'Escape');
  await focusOn(page, /option "git/);
  await stage.done(page);
});

test('Space switches on and off, and what is wanted is told apart from what is', async () => {
  const page = await stage.open();
  await tabTo(page, /option "db/);
  await press(page, 'End');
  await focusOn(page, /option "time off"/);
  const connecting = await witness(page, 'time: connecting');
  await press(page, 'Space');
  await connecting();
  await focusOn(page, /option "time online, 12 ms"/);
  await press(page, 'Space');
  await focusOn(page, /option "time off"/);
  await stage.done(page);
});

test('processes are told with whose session each serves, and what it holds', async () => {
  const page = await stage.open({ scenario: 'well' });
  await page.getByRole('option', { name: /^git/ }).click();
  await shows(page, '2 processes, 79 MB, 12 tools');
  const rows = await page.locator('dd li').allInnerTexts();
  assert.deepEqual(rows.map((row) => row.replace(/\s+/g, ' ')), ['no session process 4211, 41 MB', 'claude process 4218, 38 MB']);
  await stage.done(page);
});

test('searches profiles', async () => {
  const page = await stage.open();
  await press(page, 'Control+f');
  await focusOn(page, /searchbox "Search"/);
  await type(page, 'postgres');
  await until('one profile', async () => (await page.getByRole('option').count()) === 1);
  await press(page, 'Enter');
  await focusOn(page, /option "db/);
  await press(page, 'Control+f');
  await type(page, 'nothing like it');
  await shows(page, 'No profile matches “nothing like it”.');
  await press(page, 'Escape');
  assert.equal(await page.getByRole('option').count(), 4);
  await stage.done(page);
});

test('the switch, Reconnect now and Share for 1 hour', async () => {
  const page = await stage.open({ scenario: 'well' });
  await tabTo(page, /switch "Connect" \[checked\]/);
  await press(page, 'Space');
  await focusOn(page, /switch "Connect"$/);
  await tabTo(page, /button "More"/);
  await press(page, 'Enter');
  await focusOn(page, /menuitem "Share for 1 hour"/);
  await press(page, 'Enter');
  await shows(page, /shared until \d\d:\d\d/);
  await focusOn(page, /button "More"/);
  await press(page, 'ArrowDown');
  await focusOn(page, /menuitem "Reconnect now"/);
  const connecting = await witness(page, 'Connecting to gw.example.com');
  await press(page, 'Enter');
  await connecting();
  await shows(page, /^Online for less than a minute/);
  await stage.done(page);
});

test('Use in… puts each entry on the clipboard, and the page never sees one', async () => {
  const page = await stage.open({ scenario: 'well' });
  await tabTo(page, /button "Use in"/);
  for (let n = 0; n < 5; n++) {
    await press(page, 'Enter');
    await focusOn(page, /menuitem "Claude Code"/);
    for (let down = 0; down < n; down++) await press(page, 'ArrowDown');
    await press(page, 'Enter');
    await focusOn(page, /button "Use in"/);
    await until('an entry', async () => (await page.evaluate(() => window.culvertFake.clipboard.length)) === n + 1);
  }
  const entries = await page.evaluate(() => window.culvertFake.clipboard);
  assert.deepEqual(entries, ['claudeCode', 'cursor', 'vsCode', 'mcpJson', 'curl'].map((client) => `entry for ${client}: files`));
  await shows(page, /^Copied for curl\. Its token calls this server only, until/);
  assert.ok(!(await page.content()).includes('entry for'));
  await press(page, 'c', 'Enter', 'c', 'c');
  await focusOn(page, /menuitem "C/);
  await press(page, 'Escape');
  await focusOn(page, /button "Use in"/);
  await stage.done(page);
});

test('activity: filter, errors only, one call in full', async () => {
  const page = await stage.open({ scenario: 'well' });
  await tabTo(page, /tab "Overview"/);
  await press(page, 'ArrowRight');
  await focusOn(page, /tab "Activity" \[selected\]/);
  await tabTo(page, /searchbox "Filter"/);
  await type(page, 'cursor');
  await until('fewer calls', async () => (await page.getByRole('listitem').count()) === 5);
  await type(page, '');
  await tabTo(page, /checkbox "Errors only"/);
  await press(page, 'Space');
  await until('two errors, and one that was not let pass', async () => (await page.getByRole('listitem').count()) === 3);
  await tabTo(page, /button "\d\d:\d\d:\d\d claude/);
  await press(page, 'Enter');
  await shows(page, /unknown revision/);
  assert.match(await focused(page), /\[expanded\]/);
  await tabTo(page, /git push \d+ ms refused/);
  await press(page, 'Enter');
  await shows(page, 'This profile’s tools policy does not let it pass.');
  await stage.done(page);
});

test('log: follows, stops when one scrolls up, searches, copies, clears, and says nothing of new lines', async () => {
  const page = await stage.open({ scenario: 'well' });
  await tabTo(page, /tab "Overview"/);
  await press(page, 'ArrowRight', 'ArrowRight', 'ArrowRight');
  await focusOn(page, /tab "Log"/);
  const said = await listen(page);
  const atEnd = () =>
    page.getByRole('log').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 8);
  await until('the end of the log', atEnd);
  await page.evaluate(() => window.culvertFake.log('the newest line'));
  await shows(page, 'the newest line');
  await until('following', atEnd);
  assert.deepEqual(await said(), []);

  await tabTo(page, /log "The local server’s log"/);
  await press(page, 'PageUp');
  await page.getByRole('button', { name: 'Follow', pressed: false }).waitFor();
  await page.evaluate(() => window.culvertFake.log('not shown at once'));
  assert.equal(await atEnd(), false);
  await tabTo(page, /button "Follow"/, 'Shift+Tab');
  await press(page, 'Space');
  await until('following again', atEnd);

  await press(page, 'Control+f');
  await focusOn(page, /searchbox "Search"/);
  await type(page, 'newest');
  await shows(page, '1 line');
  await tabTo(page, /button "Copy"/);
  await press(page, 'Enter');
  await shows(page, '1 line copied.');
  assert.deepEqual(await page.evaluate(() => window.culvertFake.clipboard), ['the newest line']);
  await tabTo(page, /button "Clear"/);
  await press(page, 'Enter');
  await shows(page, 'The server has written nothing yet.').catch(() => shows(page, 'No line matches.'));
  await stage.done(page);
});

test('a change of state is said once and politely, a stop at once, figures never', async () => {
  const page = await stage.open({ scenario: 'well' });
  const said = await listen(page);
  await page.evaluate(() => {
    const online = (roundTripMs: number): Status =>
      ({
        kind: 'online', since: 0, transport: 'ws', roundTripMs, server: { kind: 'ready' }, tools: 3, inUseBy: [], notices: [], url: null,
      }) satisfies Status;
    const { set } = window.culvertFake;
    set('files', online(20));
    set('files', online(90));
    set('files', { kind: 'connecting' });
    set('files', { kind: 'registering' });
  });
  await until('the change', async () => (await said()).length === 1);
  await page.evaluate(() =>
    window.culvertFake.set('files', { kind: 'stopped', cause: { code: 'auth.rejected', message: 'rejected', action: 'Paste a new one.' } }),
  );
  await until('the stop', async () => (await said()).length === 2);
  assert.deepEqual(await said(), ['status: files: connecting', 'alert: files: token rejected']);
  await stage.done(page);
});

test('a waiting tunnel says why and when it tries again; a crashed server leads to its log', async () => {
  const waiting = await stage.open({ scenario: 'waiting' });
  await shows(waiting, /^The name of the gateway .* cannot be looked up: no network\.$/);
  await shows(waiting, /Tries again at \d\d:\d\d\./);
  await shows(waiting, 'Code: gateway.lookup');
  await stage.done(waiting);

  const crashed = await stage.open({ scenario: 'crashLoop' });
  await shows(crashed, /No module named/);
  await tabTo(crashed, /button "See the log"/);
  await press(crashed, 'Enter');
  await crashed.getByRole('tab', { name: 'Log', selected: true }).waitFor();
  await stage.done(crashed);
});

test('a broken file is named with line and column', async () => {
  const page = await stage.open({ scenario: 'broken' });
  await shows(page, /git\.yaml, line 7, column 14\. A quote is not closed\./);
  await stage.done(page);
});

test('room for one page: the list comes first, Enter opens, Esc goes back', async () => {
  const page = await stage.open({ size: [560, 420] });
  assert.equal(await page.locator('main').isVisible(), false);
  await tabTo(page, /option "db/);
  await press(page, 'ArrowDown', 'ArrowDown', 'Enter');
  await focusOn(page, /tab "Overview"/);
  assert.equal(await page.getByRole('navigation').isVisible(), false);
  await press(page, 'Escape');
  await focusOn(page, /option "git/);
  await press(page, 'ArrowDown', 'Enter');
  await focusOn(page, /tab "Overview"/);
  await tabTo(page, /button "Back"/, 'Shift+Tab');
  await press(page, 'Enter');
  await page.getByRole('navigation').waitFor();
  await stage.done(page);
});

test('forty profiles: the last is scrolled to', async () => {
  const page = await stage.open({ scenario: 'many' });
  await tabTo(page, /option "server-01/);
  await press(page, 'End');
  await focusOn(page, /option "server-40/);
  const inView = await page.locator(':focus').evaluate((row) => row.getBoundingClientRect().bottom <= innerHeight);
  assert.ok(inView);
  await stage.done(page);
});

test('a command that fails is told, assertively, with what to do', async () => {
  const page = await stage.open({ scenario: 'well' });
  const said = await listen(page);
  await page.evaluate(() =>
    window.culvertFake.refuse({ code: 'disk.full', message: 'The disk is full.', action: 'Make some room.' }),
  );
  await tabTo(page, /switch "Connect"/);
  await press(page, 'Space');
  await shows(page, 'The disk is full. Make some room.');
  assert.deepEqual(await said(), ['alert: The disk is full. Make some room.']);
  await stage.done(page);
});

test('the tray can ask for a page', async () => {
  const page = await stage.open({ scenario: 'well' });
  await page.evaluate(() => window.culvertFake.send({ kind: 'show', place: { kind: 'profile', id: 'git' } }));
  await page.getByRole('heading', { name: 'git' }).waitFor();
  await page.evaluate(() => window.culvertFake.send({ kind: 'show', place: { kind: 'settings' } }));
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  await page.evaluate(() => window.culvertFake.send({ kind: 'show', place: { kind: 'about' } }));
  await page.getByRole('dialog', { name: 'Culvert' }).waitFor();
  await stage.done(page);
});

test('the first close says that tunnels stay; the next one just closes', async () => {
  const page = await stage.open({ scenario: 'well' });
  await press(page, 'Control+w');
  await shows(page, 'Your tunnels stay up');
  await focusOn(page, /button "Close the window"/);
  await press(page, 'Enter');
  await until('closed', async () => (await page.evaluate(() => window.culvertFake.closed.length)) === 1);
  await press(page, 'Control+w');
  await until('closed again', async () => (await page.evaluate(() => window.culvertFake.closed.length)) === 2);
  await stage.done(page);
});
