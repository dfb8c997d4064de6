// Runes everywhere; warnings (accessibility among them) fail `npm run check`.

import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default { preprocess: vitePreprocess(), compilerOptions: { runes: true } };
