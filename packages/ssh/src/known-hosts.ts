import { createHash, createHmac } from "node:crypto";

/** How a server is named where its keys are looked up. */
export interface HostName {
  /** Name or address, as it is connected to. */
  readonly address: string;
  readonly port: number;
}

/** What a list of known hosts says about a key that a server showed. */
export type Verdict =
  | { readonly kind: "known" }
  | { readonly kind: "unknown" }
  /** Other keys are listed for this host. `line` counts from 1. */
  | { readonly kind: "changed"; readonly line: number }
  | { readonly kind: "revoked"; readonly line: number }
  /** Only a certificate authority is listed, and host certificates are not supported. */
  | { readonly kind: "authority"; readonly line: number };

interface Entry {
  readonly line: number;
  readonly marker: string | undefined;
  readonly hosts: string;
  readonly type: string;
  readonly key: string;
}

/**
 * Judges a key by the text of a known_hosts file.
 *
 * Stricter than OpenSSH in one way: a host on a port other than 22 is only found as `[host]:port`.
 *
 * @param key - Public key as in RFC 4253, section 6.6.
 * @see sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"
 */
export function judgeHostKey(text: string, host: HostName, key: Uint8Array): Verdict {
  const encoded = Buffer.from(key).toString("base64");
  const entries = entriesFor(text, host);
  const revoked = entries.find((entry) => entry.marker === "@revoked" && entry.key === encoded);
  if (revoked !== undefined) return { kind: "revoked", line: revoked.line };

  const plain = entries.filter(({ marker }) => marker === undefined);
  if (plain.some((entry) => entry.key === encoded)) return { kind: "known" };
  const [other] = plain;
  if (other !== undefined) return { kind: "changed", line: other.line };
  const authority = entries.find(({ marker }) => marker === "@cert-authority");
  return authority === undefined
    ? { kind: "unknown" }
    : { kind: "authority", line: authority.line };
}

/** Types of the keys that are listed for a host, so that the server can be asked for one of these. */
export function listedKeyTypes(text: string, host: HostName): string[] {
  return entriesFor(text, host)
    .filter(({ marker }) => marker === undefined)
    .map(({ type }) => type);
}

/** Type of a public key: the first string in it. */
export function keyTypeOf(key: Uint8Array): string {
  const bytes = Buffer.from(key);
  return bytes.length < 4 ? "" : bytes.subarray(4, 4 + bytes.readUInt32BE(0)).toString("latin1");
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export function fingerprintOf(key: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** `ssh-ed25519 AAAA…`, as in known_hosts and in the option `hostKey`. */
export function publicKeyText(key: Uint8Array): string {
  return `${keyTypeOf(key)} ${Buffer.from(key).toString("base64")}`;
}

/** True for `ssh-ed25519 AAAA…` whose two parts agree. */
export function isPublicKey(text: string): boolean {
  const [type, encoded = ""] = text.trim().split(/\s+/);
  return type !== "" && type === keyTypeOf(Buffer.from(encoded, "base64"));
}

/** The name a host has in known_hosts: `web-1`, or `[web-1]:2222` for a port other than 22. */
export function knownHostName({ address, port }: HostName): string {
  return port === 22 ? address.toLowerCase() : `[${address.toLowerCase()}]:${port}`;
}

function entriesFor(text: string, host: HostName): Entry[] {
  const name = knownHostName(host);
  return text.split("\n").flatMap((line, index) => {
    const entry = parseLine(line, index + 1);
    return entry !== undefined && names(entry.hosts, name) ? [entry] : [];
  });
}

function parseLine(text: string, line: number): Entry | undefined {
  const words = text.trim().split(/[ \t]+/);
  const [first = ""] = words;
  if (first === "" || first.startsWith("#")) return undefined;
  const marker = first.startsWith("@") ? first : undefined;
  const [hosts, type, key] = marker === undefined ? words : words.slice(1);
  if (hosts === undefined || type === undefined || key === undefined) return undefined;
  return { line, marker, hosts, type, key };
}

function names(hosts: string, name: string): boolean {
  if (hosts.startsWith("|")) return isHashOf(hosts, name);
  const patterns = hosts.toLowerCase().split(",");
  const matches = (pattern: string): boolean => matchesPattern(pattern, name);
  if (patterns.some((pattern) => pattern.startsWith("!") && matches(pattern.slice(1)))) {
    return false;
  }
  return patterns.some((pattern) => !pattern.startsWith("!") && matches(pattern));
}

function isHashOf(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split("|");
  if (version !== "1" || salt === undefined || hash === undefined) return false;
  return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
}

/** `*` stands for any characters, `?` for one; nothing else is special (so `[host]:22` is plain text). */
function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replaceAll(/[.*+?^${}()|[\]\\]/g, (character) => {
    if (character === "*") return ".*";
    return character === "?" ? "." : `\\${character}`;
  });
  return new RegExp(`^${source}$`, "s").test(name);
}
