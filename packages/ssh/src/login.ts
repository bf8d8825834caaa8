import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import type { LockstepError, Secret, TargetContext } from "@lockstep/plugin";
import type { Where } from "./errors.ts";
import {
  type HostName,
  judgeHostKey,
  keyTypeOf,
  listedKeyTypes,
  publicKeyText,
} from "./known-hosts.ts";
import {
  hostCertificate,
  hostKeyChanged,
  hostKeyRevoked,
  hostKeyUnknown,
  keyUnreadable,
  knownHostsUnreadable,
  noIdentity,
  userMissing,
} from "./login-errors.ts";

/** How one host is reached and who logs in. */
export interface HostSettings {
  /** Name of the unit. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Default: the user that runs Lockstep. */
  readonly user?: string | undefined;
  /** `ssh-ed25519 AAAA…`; then known_hosts is not read for this host. */
  readonly hostKey?: string | undefined;
}

/** What all hosts of a target share when they are connected. */
export interface LoginSettings {
  readonly identity?: string | undefined;
  readonly passphrase?: Secret | undefined;
  /** Offer the keys of the agent that SSH_AUTH_SOCK names. */
  readonly agent: boolean;
  readonly knownHosts: string;
  /** Milliseconds from the first packet to a usable login. */
  readonly connectTimeoutMs: number;
}

/** Everything that is needed to log in, read from this machine. */
export interface Login {
  readonly user: string;
  readonly key?: { readonly text: Buffer; readonly passphrase?: string };
  /** Path of the agent's socket. */
  readonly agent?: string;
  readonly trust: Trust;
}

/** Judges the key of one host. */
export interface Trust {
  /** Types of the keys that are known, so that the server is asked for one of these first. */
  readonly types: readonly string[];
  /** Why the key is not accepted; undefined when it is the known one. */
  refuse(key: Uint8Array): LockstepError | undefined;
}

/**
 * Reads what a login needs: keys, passphrase, known hosts. Opens no connection.
 *
 * @throws {LockstepError} `SSH_USER_MISSING`, `SSH_NO_IDENTITY`, `SSH_KEY_UNREADABLE`,
 *   `SSH_KNOWN_HOSTS_UNREADABLE`, or what reading the passphrase throws
 */
export async function readLogin(
  where: Where,
  { host, login }: { readonly host: HostSettings; readonly login: LoginSettings },
  ctx: TargetContext,
): Promise<Login> {
  const user = host.user ?? ctx.env["USER"] ?? ctx.env["LOGNAME"];
  if (user === undefined || user === "") throw userMissing(where);
  const agent = login.agent ? ctx.env["SSH_AUTH_SOCK"] : undefined;
  const key = login.identity === undefined ? undefined : await readKey(login.identity, login, ctx);
  if (agent === undefined && key === undefined) throw noIdentity(where);
  return {
    user,
    ...(key === undefined ? {} : { key }),
    ...(agent === undefined ? {} : { agent }),
    trust: await readTrust(where, { host, login }, ctx),
  };
}

async function readKey(
  written: string,
  { passphrase }: LoginSettings,
  ctx: TargetContext,
): Promise<NonNullable<Login["key"]>> {
  const path = localPath(written, ctx);
  const phrase = passphrase === undefined ? undefined : await ctx.secret(passphrase);
  try {
    const text = await readFile(path);
    return phrase === undefined ? { text } : { text, passphrase: phrase };
  } catch (cause) {
    throw keyUnreadable(path, cause);
  }
}

async function readTrust(
  where: Where,
  { host, login }: { readonly host: HostSettings; readonly login: LoginSettings },
  ctx: TargetContext,
): Promise<Trust> {
  if (host.hostKey !== undefined) return pinned(where, host, host.hostKey);
  const path = localPath(login.knownHosts, ctx);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw knownHostsUnreadable(where, path, cause);
  }
  return listed(where, host, { path, text });
}

function pinned(where: Where, host: HostName, wanted: string): Trust {
  const [type = "", encoded] = wanted.trim().split(/\s+/);
  return {
    types: [type],
    refuse(key) {
      if (publicKeyText(key) === `${type} ${encoded}`) return undefined;
      return hostKeyChanged({ ...where, host, key, source: "the config" });
    },
  };
}

function listed(
  where: Where,
  host: HostName,
  { path, text }: { readonly path: string; readonly text: string },
): Trust {
  return {
    types: listedKeyTypes(text, host),
    refuse(key) {
      const verdict = judgeHostKey(text, host, key);
      const source = "line" in verdict ? `${path}:${verdict.line}` : path;
      return verdict.kind === "known"
        ? undefined
        : REFUSALS[verdict.kind]({ ...where, host, key, source });
    },
  };
}

const REFUSALS = {
  unknown: hostKeyUnknown,
  changed: hostKeyChanged,
  revoked: hostKeyRevoked,
  authority: hostCertificate,
} as const;

/** What a server may sign with, best first. SHA-1 signatures (`ssh-rsa`, `ssh-dss`) are not among them. */
const SIGNATURES = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
] as const;

/**
 * Signature algorithms to ask a server for: first those of keys that are known, so that a server with
 * several keys shows one that can be compared.
 */
export function signaturesFor({ types }: Trust): (typeof SIGNATURES)[number][] {
  const isKnown = (signature: string): boolean =>
    types.includes(signature.startsWith("rsa-") ? "ssh-rsa" : signature);
  return [
    ...SIGNATURES.filter((signature) => isKnown(signature)),
    ...SIGNATURES.filter((signature) => !isKnown(signature)),
  ];
}

/** True for `ssh-ed25519 AAAA…` whose two parts agree. */
export function isPublicKey(text: string): boolean {
  const [type, encoded = ""] = text.trim().split(/\s+/);
  return type !== "" && type === keyTypeOf(Buffer.from(encoded, "base64"));
}

/** A path of this machine: `~/` is the user's home, relative ones start at the config file. */
function localPath(written: string, { env, folder }: TargetContext): string {
  if (written.startsWith("~/")) return join(env["HOME"] ?? "/", written.slice(2));
  return isAbsolute(written) ? written : join(folder, written);
}
