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
# through a pipe: gzip complains about files that are as old as those of a release
if command -v gzip >/dev/null 2>&1; then cat manifest | gzip -1 -c; else cat manifest; fi`;

/** Manifests that were read in a run, by digest. They never change. */
const known = new WeakMap<SshConnection, Map<string, Manifest>>();

/** Remembers a manifest for the rest of the run, so that no host is asked for it. */
export function rememberManifest(
  connection: SshConnection,
  digest: string,
  manifest: Manifest,
): void {
  const all = known.get(connection) ?? new Map<string, Manifest>();
  all.set(digest, manifest);
  known.set(connection, all);
}

/** The manifest of a release on a host; empty where it is gone or altered. */
export async function readManifest(
  ctx: TargetContext & { readonly connection: SshConnection },
  host: RemoteHost,
  { release, digest }: Ref,
): Promise<Manifest> {
  const { connection } = ctx;
  const before = known.get(connection)?.get(digest);
  if (before !== undefined) return before;
  const script = { text: READ, values: { P: connection.settings.path, ID: release } };
  const ran = await host.exec(ctx, script, { outputBytes: MANIFEST_BYTES, asBytes: true });
  if (ran.status !== 0) return [];
  try {
    const manifest = parseManifest(await unpacked(Buffer.from(ran.stdout, "latin1")));
    if (manifestDigest(manifest) !== digest) return [];
    rememberManifest(connection, digest, manifest);
    return manifest;
  } catch {
    return [];
  }
}

async function unpacked(bytes: Buffer): Promise<string> {
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const limit = { maxOutputLength: MANIFEST_BYTES };
  return (isPacked ? await promisify(gunzip)(bytes, limit) : bytes).toString("utf8");
}
