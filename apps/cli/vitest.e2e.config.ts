import { defineConfig, mergeConfig, type ViteUserConfig } from "vitest/config";
import base from "../../vitest.config.ts";

// The machine has few cores and the hosts share a path: one file after the other.
const config: ViteUserConfig = mergeConfig(
  base,
  defineConfig({ test: { include: ["test/e2e/**/*.test.ts"], fileParallelism: false } }),
);

export default config;
