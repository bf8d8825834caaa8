import {
  type Artifact,
  type GuardName,
  type Manifest,
  tarStream,
  type WrittenSource,
} from "@lockstep/artifact";
import type { WriteContext } from "@lockstep/plugin";
import { compressed, type Compression } from "../compress.ts";
import type { SshConnection } from "../connection.ts";
import { stampName } from "../layout.ts";
import { proofOf } from "../proof.ts";
import type { Script } from "../shell.ts";

/** What is uploaded, and where it goes. */
export type UploadInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Digest of the manifest that was planned. */
  readonly digest: string;
  readonly source: WrittenSource | { readonly image: string };
  readonly exclude?: readonly string[];
  readonly allow?: readonly GuardName[];
  /** Where unchanged files come from: a copy of the release before (default), links to its files, or the source. */
  readonly base?: "link" | "none";
};

/** A try that a host has made an empty tree for. */
export interface Attempt {
  readonly name: string;
  readonly compression: Compression;
  /** The release of the host that unchanged files are copied from, and what it holds. */
  readonly base?: { readonly release: string; readonly manifest: Manifest } | undefined;
}

/** What one transfer sends: all of the artifact, or the paths that are named. */
export interface Sending {
  readonly attempt: Attempt;
  readonly artifact: Artifact;
  readonly only?: ReadonlySet<string> | undefined;
}

/** Bytes on their way, and what the host is told about them. */
export interface Packed {
  readonly body: AsyncIterable<Uint8Array>;
  readonly values: Script["values"];
}

/** Packs what one transfer sends, while it is sent. */
export function packed(
  ctx: WriteContext<SshConnection>,
  { path, release, base: how }: UploadInput,
  { attempt, artifact, only }: Sending,
): Packed {
  const { name, base, compression } = attempt;
  const folder = `.lockstep.${name}`;
  const proof = proofOf(artifact, folder, base?.manifest);
  const tar = tarStream(artifact, {
    trailer: proof.trailer,
    signal: ctx.signal,
    ...(only === undefined ? {} : { only }),
  });
  const values = { P: path, ID: release, STAMP: stampName(ctx.stamp), N: name, LISTS: folder };
  const more = { ...proof.values, BASE: base?.release ?? "", HOW: how ?? "", Z: compression };
  return {
    body: compressed(counted(tar, bytesOf(artifact, only), ctx), compression),
    values: { ...values, ...more },
  };
}

function bytesOf({ manifest }: Artifact, only: ReadonlySet<string> | undefined): number {
  return manifest.reduce(
    (sum, entry) =>
      entry.type === "file" && (only?.has(entry.path) ?? true) ? sum + entry.size : sum,
    0,
  );
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  totalBytes: number,
  ctx: WriteContext<SshConnection>,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of bytes) {
    yield chunk;
    sent += chunk.length;
    ctx.progress({ bytes: Math.min(sent, totalBytes), totalBytes });
  }
}
