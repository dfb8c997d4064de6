// Opens the door, waits for the first world, then shows the window.

import { mount } from 'svelte';
import './style/tokens.css';
import './style/base.css';
import { start } from './app.svelte';
import { openDoor } from './door';
import Window from './Window.svelte';

const door = await openDoor();
const app = start(door, await door.facts());
await door.listen((event) => app.hear(event));
setInterval(() => (app.now = Date.now()), 30_000);
mount(Window, { target: document.body });
