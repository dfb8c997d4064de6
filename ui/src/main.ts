// Opens the door, waits for the first world, then shows the window.

import { mount } from 'svelte';
import './style/tokens.css';
import './style/base.css';
import { start } from './app.svelte';
import { openDoor } from './door';
import Window from './Window.svelte';

const door = await openDoor();
const app = start(door, await door.facts());
// Before the first world the window would say that nothing is shared.
await new Promise<void>((resolve, reject) => {
  const stop = door.listen((event) => {
    app.hear(event);
    if (event.kind === 'world') resolve();
  });
  stop.catch(reject);
});
setInterval(() => (app.now = Date.now()), 30_000);
mount(Window, { target: document.body });
