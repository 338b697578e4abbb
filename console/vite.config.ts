/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
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
