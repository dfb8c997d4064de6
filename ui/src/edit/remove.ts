// Asks once, deletes, and puts the focus on what is there next.

import { app, focus, focusProfile } from '../app.svelte';
import type { Profile } from '../types';
import { common, edit } from '../words';

export async function removeProfile(profile: Profile): Promise<void> {
  const answer = await app.ask({
    title: edit.removeTitle(profile.name),
    text: edit.removeText,
    answers: [{ id: 'yes', label: edit.removeYes, manner: 'danger' }, { id: 'no', label: common.cancel, manner: 'plain' }],
  });
  if (answer !== 'yes') return;
  const at = app.profiles.findIndex((each) => each.id === profile.id);
  const next = app.profiles[at + 1] ?? app.profiles[at - 1];
  const removed = await app.do(async () => {
    await app.door.remove(profile.id);
    return true;
  });
  if (!removed) return;
  app.guard = null;
  app.say.done(edit.removed(profile.name));
  if (next) await app.open(next.id, 'overview', 'list');
  else await app.go({ kind: 'empty' });
  await (next ? focusProfile(next.id) : focus('main .ways button'));
}
