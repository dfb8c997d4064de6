// The window's keys. Those of a list, menu or tab row are with their components.

import { app, focus, type Where } from './app.svelte';

export function onkeydown(event: KeyboardEvent): void {
  if (event.defaultPrevented || app.question || app.about) return;
  const command = app.facts.platform === 'macos' ? event.metaKey : event.ctrlKey;
  if (command && !event.altKey && !event.shiftKey) {
    const deed = commands[event.key.toLowerCase()];
    if (!deed) return;
    event.preventDefault();
    deed();
  } else if (event.key === 'Escape') {
    event.preventDefault();
    void back();
  }
}

const commands: Record<string, () => void> = {
  n: () => void show({ kind: 'new' }, '#name'),
  f: find,
  ',': () => void show({ kind: 'settings' }, 'main h1'),
  w: () => void app.do(() => app.door.closeWindow('ask')),
  // The editor listens itself; elsewhere there is nothing to save, and no page to save either.
  s: () => {},
};

export async function show(where: Where, then: string): Promise<void> {
  if (await app.go(where)) await focus(then);
}

/** The log's and the activity's own search when one looks at them, else the profiles'. */
function find(): void {
  const own = document.querySelector<HTMLElement>('main [type=search]');
  if (own && own !== document.activeElement && own.offsetParent !== null) own.focus();
  else {
    app.page = 'list';
    void focus('nav [type=search]');
  }
}

async function back(): Promise<void> {
  if (!(await app.back())) return;
  await focus('nav [role=option][tabindex="0"], main .ways button');
}
