// Two builds from one source: `dist` for the app, and, in the mode `fake`,
// `dist-fake` for a plain browser. Neither needs anything that a strict
// Content-Security-Policy forbids: no inline scripts, styles or data: addresses.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig(({ mode }) => ({
  base: './',
  plugins: [svelte()],
  build: {
    // The oldest web views that the app meets: macOS 13's and Debian 12's.
    target: 'safari16.4',
    outDir: mode === 'fake' ? 'dist-fake' : 'dist',
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  server: { port: 5187, strictPort: true },
}));
