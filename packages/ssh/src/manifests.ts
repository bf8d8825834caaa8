import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type Manifest, parseManifest } from "@lockstep/artifact";
import type { TargetContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { Ref } from "./facts.ts";
import type { RemoteHost } from "./host.ts";

/** Bytes of a manifest that are read: a million short paths. */
const MANIFEST_BYTES = 134_217_728;

/** Bytes of a manifest that a host sends before it is known whether anybody wants it: of 20,000 files. */
const AHEAD_BYTES = 2_097_152;

const SAY = `
if command -v gzip >/dev/null 2>&1 && command -v base64 >/dev/null 2>&1; then gzip -1 -c <manifest | base64
else cat manifest; fi`;

const READ = `
cd "$P/.lockstep/meta/$ID" || exit${SAY}`;

/** The same for what is live, unless it is large. */
const READ_LIVE = `
id=$(readlink "$P/current") && id=\${id#releases/} || exit 0
case $id in (''|*/*) exit 0 ;; esac
cd "$P/.lockstep/meta/$id" 2>/dev/null && [ -f manifest ] || exit 0
[ -z "$(find manifest -size "+$MOST")" ] || exit 0${SAY}`;

/** How base64 of gzip begins; no manifest does. */
const PACKED = "H4sI";

/** Manifests that were read in a run, by digest. They never change. */
const known = new WeakMap<SshConnection, Map<string, Promise<Manifest>>>();

/** Remembers a manifest for the rest of the run, so that no host is asked for it. */
export function rememberManifest(
  connection: SshConnection,
  digest: string,
  manifest: Manifest,
): void {
  knownTo(connection).set(digest, Promise.resolve(manifest));
}

/** Asks that were sent before it was known what is live, by connection. */
const ahead = new WeakMap<SshConnection, Promise<void>>();

/**
 * Asks a host for the manifest of whatever is live, once on a connection: it is known by its own digest then, where
 * that turns out to be wanted. Nobody waits for it.
 */
export function askAhead(
  ctx: TargetContext & { readonly connection: SshConnection },
  host: RemoteHost,
): void {
  const { connection } = ctx;
  if (ahead.has(connection)) return;
  // whoever wants what did not come asks for it
  const asked = readLive(ctx, host).catch(() => undefined);
  ahead.set(connection, asked);
}

async function readLive(
  ctx: TargetContext & { readonly connection: SshConnection },
  host: RemoteHost,
): Promise<void> {
  const { connection } = ctx;
  // find counts in blocks
  const values = { P: connection.settings.path, MOST: String(AHEAD_BYTES / 512) };
  const limits = { outputBytes: MANIFEST_BYTES, isLook: true };
  const { stdout } = await host.run(ctx, { text: READ_LIVE, values }, limits);
  if (stdout === "") return;
  const text = await unpacked(stdout);
  rememberManifest(connection, digestOf(text), parseManifest(text));
}

/** The manifest of a release on a host; empty where it is gone or altered. Each content is asked for once. */
export async function readManifest(
  ctx: TargetContext & { readonly connection: SshConnection },
  host: RemoteHost,
  ref: Ref,
): Promise<Manifest> {
  const all = knownTo(ctx.connection);
  if (!all.has(ref.digest)) await ahead.get(ctx.connection);
  const before = all.get(ref.digest);
  if (before !== undefined) return before;
  const reading = askManifest(ctx, host, ref);
  all.set(ref.digest, reading);
  const found = await reading.catch(() => []);
  // another host may have it, and this one later
  if (found.length === 0) all.delete(ref.digest);
  return reading;
}

function knownTo(connection: SshConnection): Map<string, Promise<Manifest>> {
  const all = known.get(connection) ?? new Map<string, Promise<Manifest>>();
  known.set(connection, all);
  return all;
}

async function askManifest(
  ctx: TargetContext & { readonly connection: SshConnection },
  host: RemoteHost,
  { release, digest }: Ref,
): Promise<Manifest> {
  const script = { text: READ, values: { P: ctx.connection.settings.path, ID: release } };
  const ran = await host.run(ctx, script, { outputBytes: MANIFEST_BYTES });
  if (ran.status !== 0) return [];
  try {
    const text = await unpacked(ran.stdout);
    return digestOf(text) === digest ? parseManifest(text) : [];
  } catch {
    return [];
  }
}

/** The digest of a manifest, of its text: there is only one text for each. */
function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

async function unpacked(text: string): Promise<string> {
  if (!text.startsWith(PACKED)) return text;
  const limit = { maxOutputLength: MANIFEST_BYTES };
  return (await promisify(gunzip)(Buffer.from(text, "base64"), limit)).toString("utf8");
}
