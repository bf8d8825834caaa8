export type { SshConnection } from "./connection.ts";
export { sshErrors } from "./catalogue.ts";
export type {
  SshCheckOptions,
  SshCommandCheckOptions,
  SshHttpCheckOptions,
  SshProcessCheckOptions,
} from "./check-options.ts";
export type { SshContainerOptions } from "./container-options.ts";
export type { SshOptions } from "./options.ts";
export type { SshEnvFileOptions, SshOnceOptions, SshSharedOptions } from "./release-options.ts";
export type { SshRolloutOptions, SshServiceOptions } from "./rollout-options.ts";
export type { SshHostOptions, SshLoginOptions } from "./login-options.ts";
export { type SshStore, sshStore, type SshStoreOptions } from "./ssh-store.ts";
export { ssh } from "./target.ts";
