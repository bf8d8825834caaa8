export type { SshConnection } from "./connection.ts";
export { sshErrors } from "./catalogue.ts";
export type { SshCommandCheckOptions, SshHttpCheckOptions, SshOptions } from "./options.ts";
export type { SshHostOptions, SshLoginOptions } from "./login-options.ts";
export { type SshStore, sshStore, type SshStoreOptions } from "./ssh-store.ts";
export { ssh } from "./target.ts";
