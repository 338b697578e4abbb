/** For `npm run dev`: with HEADGATE_URL it talks to that server, without it to the double. */

import { defineConfig, mergeConfig } from "vite";

import shipped from "../vite.config";
import { double } from "./double";

const target = process.env.HEADGATE_URL;

export default mergeConfig(
  shipped,
  defineConfig(
    target
      ? { server: { proxy: { "/api": { target, changeOrigin: true, headers: { origin: target } } } } }
      : { plugins: [double()] },
  ),
);
