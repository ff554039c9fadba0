// How the page is built: relative addresses, so that it works below any path; every file of text also as .br and .gz, so
// that the daemon only hands out bytes. Not here: what the page may load (the daemon's policy decides).
import react from '@vitejs/plugin-react';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

/** Writes NAME.gz and NAME.br beside each file of text. */
function packed() {
  let out = '';
  return {
    name: 'packed',
    apply: 'build',
    configResolved: (config) => void (out = config.build.outDir),
    closeBundle() {
      for (const path of files(out).filter((path) => /\.(js|css|svg|webmanifest)$/.test(path))) {
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
      }
    },
  };
}

/** Ours that the first view needs, with what it imports; not the pages that are fetched when they are asked for. */
const firstView = /\/src\/(?!pages\/(?!overview|recovery|plan-card|run-failure|not-found)|shell\/(palette|filters)|parts\/(dialog|password|field|table|copy)|words\/de\.ts)/;

export default defineConfig({
  base: './',
  plugins: [react(), packed()],
  build: {
    outDir: '../crates/recoup-server/page/dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    // What the first view needs is one file; a page that it does not need is one more when it is opened.
    rollupOptions: { output: { advancedChunks: { groups: [{ name: 'main', test: firstView }] } } },
  },
  // `npm run dev` beside a daemon on its usual port.
  server: { proxy: { '/api': { target: 'http://127.0.0.1:7467', changeOrigin: false } } },
});
