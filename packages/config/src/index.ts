export {
  type AnyTarget,
  checkConfig,
  type Config,
  type ConfigOrigin,
  defineConfig,
  type Environment,
  environmentOf,
  type WrittenConfig,
  type WrittenEnvironment,
} from "./config.ts";
export { configErrors, nearest, targetUnknown } from "./errors.ts";
export { CONFIG_FILES, loadConfig, type LoadRequest } from "./load.ts";
