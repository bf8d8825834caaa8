export {
  type Config,
  defineConfig,
  type Environment,
  type LocalStore,
  localStore,
  type LocalStoreOptions,
  type WrittenConfig,
  type WrittenEnvironment,
} from "@lockstep/core";
export { type Secret, secret } from "@lockstep/plugin";
