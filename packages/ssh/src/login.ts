import { readFile } from "node:fs/promises";
import type { LockstepError, Secret, TargetContext } from "@lockstep/plugin";
import type { Where } from "./errors.ts";
import {
  type HostName,
  judgeHostKey,
  listedKeyTypes,
  publicKeyText,
  type Verdict,
} from "./known-hosts.ts";
import {
  hostCertificate,
  hostKeyChanged,
  hostKeyRevoked,
  hostKeyUnknown,
  keyUnreadable,
  knownHostsUnreadable,
  noIdentity,
} from "./login-errors.ts";
import type { Endpoint } from "./reach.ts";

/** An identity, as it is in its file: a private key, maybe closed, or only the public half of one. */
export interface PrivateKey {
  readonly path: string;
  readonly text: Buffer;
  readonly passphrase?: string;
}

/** Everything that is needed to log in, read from this machine. */
export interface Login {
  readonly user: string;
  readonly keys: readonly PrivateKey[];
  /** Path of the agent's socket. */
  readonly agent?: string | undefined;
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
 * @throws {LockstepError} `SSH_NO_IDENTITY`, `SSH_KEY_UNREADABLE`, `SSH_KNOWN_HOSTS_UNREADABLE`, or what reading
 *   the passphrase throws
 */
export async function readLogin(
  where: Where,
  {
    endpoint,
    passphrase,
  }: { readonly endpoint: Endpoint; readonly passphrase?: Secret | undefined },
  ctx: TargetContext,
): Promise<Login> {
  const { user, agent } = endpoint;
  const keys = await readKeys(endpoint, passphrase, ctx);
  if (agent === undefined && keys.length === 0) throw noIdentity(where, NEITHER);
  const trust = await readTrust(where, endpoint);
  return { user, keys, agent, trust: await unlessRevoked(where, endpoint, trust) };
}

/** Why there is nothing to log in with, at first sight. */
const NEITHER = "SSH_AUTH_SOCK is not set and the config has no identity";

/** Keys that ssh_config names, or that are where ssh looks for them, need not be there. */
async function readKeys(
  { identities, isIdentityNamed }: Endpoint,
  passphrase: Secret | undefined,
  ctx: TargetContext,
): Promise<PrivateKey[]> {
  const phrase = passphrase === undefined ? undefined : await ctx.secret(passphrase);
  const keys = await Promise.all(
    identities.map(async (path) => {
      try {
        const text = await readFile(path).catch(async (cause: unknown) => {
          if (isIdentityNamed) throw cause;
          return readFile(`${path}.pub`); // the private half may be with the agent alone
        });
        return phrase === undefined ? { path, text } : { path, text, passphrase: phrase };
      } catch (cause) {
        if (isIdentityNamed) throw keyUnreadable(path, cause);
        return undefined;
      }
    }),
  );
  return keys.filter((key) => key !== undefined);
}

async function readTrust(where: Where, endpoint: Endpoint): Promise<Trust> {
  const { address, port, alias, hostKey, knownHosts } = endpoint;
  const host = alias === undefined ? { address, port } : { address: alias, port: 22 };
  if (hostKey !== undefined) return pinned(where, host, hostKey);
  const read = await Promise.allSettled(knownHosts.map((path) => readFile(path, "utf8")));
  const lists = read.flatMap((one, index) =>
    one.status === "fulfilled" ? [{ path: knownHosts[index] ?? "", text: one.value }] : [],
  );
  const [first] = read;
  const [path = ""] = knownHosts;
  if (lists.length === 0 && first?.status === "rejected") {
    if (!isYetToBeMade(path, first.reason)) throw knownHostsUnreadable(where, path, first.reason);
    lists.push({ path, text: "" });
  }
  return listed(where, host, lists);
}

/** Where nobody used ssh yet its own file is not there: it knows no host, and the one that is missing can be named. */
function isYetToBeMade(path: string, cause: unknown): boolean {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
  return isMissing && /[/\\]\.ssh[/\\]known_hosts$/.test(path);
}

/** What a list of revoked keys in binary form begins with. @see PROTOCOL.krl of OpenSSH */
const BINARY_LIST = "SSHKRL\n";

/** The same trust without the keys that ssh_config calls revoked; where they cannot be read, nothing is trusted. */
async function unlessRevoked(
  where: Where,
  { address, port, revokedHostKeys: path }: Endpoint,
  trust: Trust,
): Promise<Trust> {
  if (path === undefined) return trust;
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw knownHostsUnreadable(where, path, cause);
  });
  if (text.startsWith(BINARY_LIST)) {
    const cause = new Error('a list in binary form is only understood by transport: "openssh"');
    throw knownHostsUnreadable(where, path, cause);
  }
  const revoked = text.split("\n").map((line) => line.trim().split(/\s+/).slice(0, 2).join(" "));
  return {
    types: trust.types,
    refuse(key) {
      const line = revoked.indexOf(publicKeyText(key)) + 1;
      if (line === 0) return trust.refuse(key);
      return hostKeyRevoked({ ...where, host: { address, port }, key, source: `${path}:${line}` });
    },
  };
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

/** A known_hosts file that was read. */
interface KnownHosts {
  readonly path: string;
  readonly text: string;
}

/** What counts most among the verdicts of several files comes first. */
const RANKS: readonly Verdict["kind"][] = ["revoked", "known", "changed", "authority", "unknown"];

function listed(where: Where, host: HostName, lists: readonly KnownHosts[]): Trust {
  return {
    types: lists.flatMap(({ text }) => listedKeyTypes(text, host)),
    refuse(key) {
      const verdicts = lists.map(({ path, text }) => ({ path, ...judgeHostKey(text, host, key) }));
      const [verdict] = verdicts.toSorted(
        (left, right) => RANKS.indexOf(left.kind) - RANKS.indexOf(right.kind),
      );
      if (verdict === undefined || verdict.kind === "known") return undefined;
      const source = "line" in verdict ? `${verdict.path}:${verdict.line}` : verdict.path;
      return REFUSALS[verdict.kind]({ ...where, host, key, source });
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
