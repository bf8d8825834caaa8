export {
  type Config,
  defineConfig,
  type Environment,
  type WrittenConfig,
  type WrittenEnvironment,
} from "@lockstep/config";
export { type LocalStore, localStore, type LocalStoreOptions } from "@lockstep/state";
export { type Secret, secret } from "@lockstep/plugin";
