export type { SshConnection } from "./connection.ts";
export { sshErrors } from "./catalogue.ts";
export type {
  SshCommandCheckOptions,
  SshHostOptions,
  SshHttpCheckOptions,
  SshOptions,
} from "./options.ts";
export { ssh } from "./target.ts";
