// What a person without a mouse has: keys, and what a screen reader would say of the
// element that has the focus.

import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';

/** Role, name and state of what has the focus: `- button "Test"`. */
export async function focused(page: Page): Promise<string> {
  const has = page.locator(':focus');
  return (await has.count()) === 0 ? '(nothing)' : ((await has.ariaSnapshot()).split('\n')[0] ?? '');
}

/** Presses Tab until it gets there; fails with what it met instead. */
export async function tabTo(page: Page, wanted: RegExp, key = 'Tab'): Promise<void> {
  const met: string[] = [];
  for (let n = 0; n < 60; n++) {
    await page.keyboard.press(key);
    met.push(await focused(page));
    if (wanted.test(met.at(-1) ?? '')) return;
  }
  assert.fail(`Tab does not lead to ${wanted}; it met:\n${met.join('\n')}`);
}

export async function press(page: Page, ...keys: string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}

/** Types in place of what the focused field holds. */
export async function type(page: Page, text: string): Promise<void> {
  await press(page, 'Control+a', 'Delete');
  await page.keyboard.type(text);
}

/** Waits until what is asked holds. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function focusOn(page: Page, wanted: RegExp): Promise<void> {
  let last = '';
  return until(`the focus on ${wanted}`, async () => wanted.test((last = await focused(page)))).catch((error: Error) => {
    throw new Error(`${error.message}; it is on ${last}`);
  });
}

export function shows(page: Page, text: string | RegExp): Promise<void> {
  return page.getByText(text).filter({ visible: true }).first().waitFor();
}

/** Keeps what the live regions say from now on, in order. */
export async function listen(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const said: string[] = [];
    (window as unknown as { said: string[] }).said = said;
    for (const role of ['status', 'alert']) {
      const region = document.querySelector(`.said[role=${role}]`);
      if (!region) throw new Error(`no region ${role}`);
      new MutationObserver(() => said.push(`${role}: ${region.textContent?.trim()}`)).observe(region, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    }
  });
  return () => page.evaluate(() => (window as unknown as { said: string[] }).said);
}

/** Notes from now on whether the page ever shows this, be it for a moment. Wait on what it returns. */
export async function witness(page: Page, text: string): Promise<() => Promise<void>> {
  await page.evaluate((text) => {
    const seen = { yes: false };
    (window as unknown as { seen: { yes: boolean } }).seen = seen;
    const look = () => (seen.yes ||= document.body.textContent?.includes(text) ?? false);
    new MutationObserver(look).observe(document.body, { childList: true, characterData: true, subtree: true });
  }, text);
  return () => until(`“${text}”`, () => page.evaluate(() => (window as unknown as { seen: { yes: boolean } }).seen.yes));
}
