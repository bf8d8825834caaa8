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
import { asError } from "../deferred.ts";
import { stampName } from "../layout.ts";
import { proofOf } from "../proof.ts";
import type { Script } from "../shell.ts";
import { bytesOf, channelsFor, partsOf } from "./parts.ts";

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
  /** One for each channel; unpacked in any order they are the tree, and the lists it is compared with. */
  readonly bodies: readonly AsyncIterable<Uint8Array>[];
  readonly values: Script["values"];
}

/** What the streams of one transfer have in common. */
interface Shared {
  readonly ctx: WriteContext<SshConnection>;
  readonly totalBytes: number;
  sentBytes: number;
  /** Of the first that failed; the others end too. */
  failure?: Error;
}

/** Packs what one transfer sends, while it is sent. */
export function packed(
  ctx: WriteContext<SshConnection>,
  { path, release, base: how }: UploadInput,
  sending: Sending,
): Packed {
  const { attempt, artifact, only } = sending;
  const { name, base, compression } = attempt;
  const folder = `.lockstep.${name}`;
  const proof = proofOf(artifact, folder, base?.manifest);
  const shared: Shared = { ctx, totalBytes: bytesOf(artifact, only), sentBytes: 0 };
  const parts = partsOf(sending, channelsFor(ctx.connection, sending));
  const bodies = parts.map((part, index) => {
    const tar = tarStream(artifact, {
      trailer: index === 0 ? proof.trailer : [],
      signal: ctx.signal,
      ...(part === undefined ? {} : { only: part }),
    });
    return compressed(counted(tar, shared), compression);
  });
  const values = { P: path, ID: release, STAMP: stampName(ctx.stamp), N: name, LISTS: folder };
  const more = { BASE: base?.release ?? "", HOW: how ?? "", Z: compression };
  return { bodies, values: { ...values, ...proof.values, ...more } };
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  shared: Shared,
): AsyncGenerator<Uint8Array> {
  const { ctx, totalBytes } = shared;
  try {
    for await (const chunk of bytes) {
      if (shared.failure !== undefined) throw shared.failure;
      yield chunk;
      shared.sentBytes += chunk.length;
      ctx.progress({ bytes: Math.min(shared.sentBytes, totalBytes), totalBytes });
    }
  } catch (cause) {
    shared.failure ??= asError(cause);
    throw cause;
  }
}
