import { homedir } from "node:os";
import { env } from "node:process";
import {
  API_VERSION,
  checkOptions,
  readSecret,
  type Store,
  type TargetContext,
} from "@lockstep/plugin";
import { z } from "zod";
import { Gateway } from "./gateway.ts";
import {
  folderValue,
  hostOf,
  hostValue,
  loginFields,
  loginOf,
  type SshHostOptions,
  type SshLoginOptions,
} from "./login-options.ts";
import { placeOf } from "./place.ts";
import type { HostSettings, LoginSettings } from "./reach.ts";
import { sshHost } from "./ssh-host.ts";
import { storeOptionsWrong } from "./store-errors.ts";
import { HostFiles } from "./store-files.ts";
import { VERSION } from "./version.ts";

/** How the state of an environment is kept on a host. */
export interface SshStoreOptions extends SshLoginOptions {
  /** The server: `"web-1"`, `"deploy@web-1:2222"`, `"[2001:db8::1]:22"`, or an object. */
  readonly host: string | SshHostOptions;
  /** Absolute folder on it, for this environment alone: `/srv/shop-state/production`. */
  readonly path: string;
  /** Milliseconds after which an unrenewed lease may be taken; at least 2,000, default 60,000. */
  readonly ttlMs?: number;
}

/** A store in files of a host. */
export interface SshStore extends Store, AsyncDisposable {
  /** The same store, with relative key files below an absolute folder; the runner calls it once it knows where the config file is. */
  within(base: string): SshStore;
}

interface StoreSettings {
  readonly host: HostSettings;
  readonly login: LoginSettings;
  readonly path: string;
  readonly ttlMs: number;
}

const schema: z.ZodType<StoreSettings> = z
  .strictObject({
    ...loginFields,
    host: hostValue,
    path: folderValue,
    ttlMs: z.int().min(2000).default(60_000),
  })
  .transform((written) => ({
    host: hostOf(written.host, written),
    login: loginOf(written),
    path: written.path,
    ttlMs: written.ttlMs,
  }));

/**
 * Keeps lease, journal and history on a host, for runners that share nothing but their way there.
 *
 * Folders are 0700 and files 0600; a write is on the host's disk when it resolves. Nothing is locked, and no
 * clock is compared, so a killed process blocks nobody. Connects when first used.
 *
 * @throws {LockstepError} `SSH_STORE_OPTIONS` for options that are wrong
 */
export function sshStore(options: SshStoreOptions): SshStore {
  const checked = checkOptions(schema, options);
  if (checked.problems !== undefined) throw storeOptionsWrong(checked.problems);
  return storeIn(checked.value, "/");
}

function storeIn(settings: StoreSettings, folder: string): SshStore {
  const { host, login, path, ttlMs } = settings;
  const place = placeOf(host, path);
  const gateway = new Gateway();
  const where = { name: host.name, place };
  const remote = sshHost({ host, login, gateway, where, isIdle: true });
  const files = new HostFiles({ host: remote, path, context: contextFor(folder) });
  return {
    "~lockstep": { api: API_VERSION, plugin: "@lockstep/ssh", version: VERSION },
    traits: { durable: true },
    place,
    ttlMs,
    within: (base) => storeIn(settings, base),
    get: async (key) => files.read(key),
    create: async (key, body) => (await files.write(key, { body })) ?? "exists",
    replace: async (key, body, tag) => (await files.write(key, { body, tag })) ?? "moved",
    remove: async (key, tag) =>
      (await files.write(key, { tag })) === undefined ? "moved" : "removed",
    list: (prefix) => files.list(prefix),
    async [Symbol.asyncDispose]() {
      await remote[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

/** A store is asked outside of a run, so it looks at this machine by itself. */
function contextFor(folder: string): TargetContext {
  const { signal } = new AbortController();
  const surroundings = { HOME: homedir(), ...env };
  return {
    signal,
    env: surroundings,
    folder,
    deadline: Infinity,
    run: "",
    environment: "",
    log: () => {},
    progress: () => {},
    mask: () => {},
    secret: (wanted) => readSecret(wanted, { env: surroundings, folder, signal }),
    now: () => Date.now(),
    random: Math.random,
  };
}
