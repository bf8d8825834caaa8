export {
  type AnyTarget,
  checkConfig,
  type Config,
  type ConfigOrigin,
  defineConfig,
  type Environment,
  type WrittenConfig,
  type WrittenEnvironment,
} from "./config.ts";
export { configErrors, environmentUnknown, nearest, targetUnknown } from "./errors.ts";
export { CONFIG_FILES, loadConfig, type LoadRequest } from "./load.ts";
