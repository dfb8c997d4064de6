// The door to Rust: one command per method, snake_case there; streams over channels.

import { Channel, invoke } from '@tauri-apps/api/core';
import type { Door, Stop } from '../door';
import type { Call, Event, LogLine, TestStep, Tools } from '../types';

let next = 1;

/** Opens a stream that Rust feeds until `unwatch` names its number. */
async function watch<T>(command: string, args: Record<string, unknown>, on: (message: T) => void): Promise<Stop> {
  const watch = next++;
  const channel = new Channel<T>(on);
  await invoke(command, { ...args, watch, channel });
  return () => {
    channel.onmessage = () => {};
    void invoke('unwatch', { watch });
  };
}

export function openTauri(): Door {
  return {
    facts: () => invoke('facts'),
    listen: (on) => watch<Event>('listen', {}, on),

    want: (id, wanted) => invoke('want', { id, wanted }),
    reconnect: (id) => invoke('reconnect', { id }),
    shareForAnHour: (id) => invoke('share_for_an_hour', { id }),

    newDraft: () => invoke('new_draft'),
    read: (id) => invoke('read_profile', { id }),
    check: (draft) => invoke('check_draft', { draft }),
    save: (draft, onBroken) => invoke('save_profile', { draft, onBroken }),
    remove: (id) => invoke('remove_profile', { id }),
    async test(draft, on, cancel) {
      const watch = next++;
      const stop = () => void invoke('unwatch', { watch });
      cancel.addEventListener('abort', stop, { once: true });
      try {
        await invoke('test_draft', { draft, watch, channel: new Channel<TestStep[]>(on) });
      } finally {
        cancel.removeEventListener('abort', stop);
      }
    },
    agree: (id, fingerprint) => invoke('agree_to_command', { id, fingerprint }),
    tryIt: () => invoke('try_it'),

    setToken: (id, gateway, token) => invoke('set_token', { id, gateway, token }),
    unlockKeychain: () => invoke('unlock_keychain'),

    findImports: (file) => invoke('find_imports', { file }),
    import: (picks, gateway) => invoke('import_servers', { picks, gateway }),

    watchCalls: (id, on) => watch<Call[]>('watch_calls', { id }, on),
    watchLog: (id, on) => watch<LogLine[]>('watch_log', { id }, on),
    clearLog: (id) => invoke('clear_log', { id }),

    watchTools: (id, on) => watch<Tools>('watch_tools', { id }, on),
    wishTools: (id, wish) => invoke('wish_tools', { id, wish }),
    decideTools: (id, decisions) => invoke('decide_tools', { id, decisions }),

    set: (settings) => invoke('set_settings', { settings }),
    setGateway: (wanted, port) => invoke('set_gateway', { wanted, port }),
    useGateway: (id) => invoke('use_gateway', { id }),

    async gatherSupport(cancel) {
      const watch = next++;
      const stop = () => void invoke('unwatch', { watch });
      cancel.addEventListener('abort', stop, { once: true });
      try {
        return await invoke('gather_support', { watch });
      } finally {
        cancel.removeEventListener('abort', stop);
      }
    },
    saveSupport: () => invoke('save_support'),

    useIn: (id, client) => invoke('use_in', { id, client }),
    copy: (text) => invoke('copy_text', { text }),
    holdClose: (held) => invoke('hold_close', { held }),
    closeWindow: (how) => invoke('close_window', { how }),
  };
}
