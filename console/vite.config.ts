/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const target = process.env.HEADGATE_URL ?? "http://127.0.0.1:8080";

/** The class names in the browser, with the file of each. */
const claimed = new Map<string, string>();

export default defineConfig({
  plugins: [react()],
  css: {
    modules: {
      // Named after where they stand, so that the names in the browser are those in the source.
      generateScopedName: (local, file) => {
        const [, page] = /\/pages\/([^/]+)\//.exec(file) ?? [];
        const name = local.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
        const scoped = page ? `hg-${page}-${name}` : `hg-${name}`;
        if ((claimed.get(scoped) ?? file) !== file)
          throw new Error(`${file} and ${claimed.get(scoped)} both name a .${local}`);
        claimed.set(scoped, file);
        return scoped;
      },
    },
  },
  server: {
    // A real Headgate is behind the development server; it takes requests from its own pages only.
    proxy: Object.fromEntries(
      ["/api", "/v1"].map((path) => [path, { target, changeOrigin: true, headers: { origin: target } }]),
    ),
  },
  build: {
    outDir: "../src/headgate/server/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // A page's file is named after its folder.
        chunkFileNames: ({ facadeModuleId }) =>
          `assets/${/\/pages\/([^/]+)\/page\.tsx/.exec(facadeModuleId ?? "")?.[1] ?? "[name]"}-[hash].js`,
      },
    },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
