export type { EcrAuth, WrittenAuth } from "./auth/credentials.ts";
export { registryErrors } from "./catalogue.ts";
export type { RegistryConnection } from "./connection.ts";
export type {
  AttachOptions,
  KeylessOptions,
  LimitOptions,
  NetworkOptions,
  RegistryOptions,
} from "./options.ts";
export type { DirectorySource, ImageSource, LayerSettings, RunSettings } from "./source-options.ts";
export { registry } from "./target.ts";
