import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type Manifest, manifestDigest, parseManifest } from "@lockstep/artifact";
import type { TargetContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { Ref } from "./facts.ts";
import type { RemoteHost } from "./host.ts";

/** Bytes of a manifest that are read: a million short paths. */
const MANIFEST_BYTES = 134_217_728;

const READ = `
cd "$P/.lockstep/meta/$ID" || exit
if command -v gzip >/dev/null 2>&1 && command -v base64 >/dev/null 2>&1; then gzip -1 -c <manifest | base64
else cat manifest; fi`;

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

/** The manifest of a release on a host; empty where it is gone or altered. Each content is asked for once. */
export async function readManifest(
  ctx: TargetContext & { readonly connection: SshConnection },
  host: RemoteHost,
  ref: Ref,
): Promise<Manifest> {
  const all = knownTo(ctx.connection);
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
    const manifest = parseManifest(await unpacked(ran.stdout));
    return manifestDigest(manifest) === digest ? manifest : [];
  } catch {
    return [];
  }
}

async function unpacked(text: string): Promise<string> {
  if (!text.startsWith(PACKED)) return text;
  const limit = { maxOutputLength: MANIFEST_BYTES };
  return (await promisify(gunzip)(Buffer.from(text, "base64"), limit)).toString("utf8");
}
