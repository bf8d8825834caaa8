import {
  type Artifact,
  type GuardName,
  readSource,
  tarStream,
  type WrittenSource,
} from "@lockstep/artifact";
import { type Reverted, sourceChanged, type Step, type WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { remoteFailed } from "../errors.ts";
import { newNonce } from "../framing.ts";
import { gzipped } from "../gzip.ts";
import type { Ran } from "../host.ts";
import { linkTo, REFUSED, stampName } from "../layout.ts";
import { oneLine } from "../output.ts";
import { type Proof, proofOf } from "../proof.ts";
import { refusalOf, type Wish } from "./refusal.ts";
import { BEGIN, FINISH, INSPECT, REMOVE, UNPACK } from "./upload-scripts.ts";

/** What is uploaded, and where it goes. */
export type UploadInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Digest of the manifest that was planned. */
  readonly digest: string;
  readonly source: WrittenSource;
  readonly exclude?: readonly string[];
  readonly allow?: readonly GuardName[];
};

/** What the host had under the release's id; null when nothing. */
export type UploadBefore = { readonly state: string; readonly run: string } | null;

/** Puts a release on a host where nobody sees it yet: complete and compared file by file, or not ready. */
export const upload: Step<UploadInput, UploadBefore, null, SshConnection> = {
  kind: "ssh.upload/1",

  describe({ release, path }) {
    return oneLine(`upload ${path}/${linkTo(release)}`);
  },

  async inspect({ release, path }, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const ran = await host.run(ctx, { text: INSPECT, values: { P: path, ID: release } });
    if (ran.status !== 0) throw remoteFailed(host, "Looking at the release", ran);
    const [state = "", run = ""] = ran.stdout.trim().split(" ");
    return state === "" ? null : { state, run };
  },

  async apply(input, before, ctx) {
    const attempt = newNonce();
    const wanted = before === null ? null : `${before.state} ${before.run}`;
    const begun = await ask(ctx, input, {
      text: BEGIN,
      more: { N: attempt, DIGEST: input.digest, BEFORE: wanted ?? "", RUN: ctx.run },
      wanted,
    });
    if (begun.stdout.trim() === "done") return null;

    const artifact = await readPlanned(input, ctx);
    const lists = `.lockstep.${attempt}`;
    const proof = proofOf(artifact.manifest, lists);
    await send(ctx, input, { artifact, proof, attempt });
    await ask(ctx, input, {
      text: FINISH,
      more: { N: attempt, LISTS: lists, ...proof.values },
      wanted: `staging ${ctx.run}`,
    });
    return null;
  },

  async revert(input, _before, ctx): Promise<Reverted> {
    const { stdout } = await ask(ctx, input, {
      text: REMOVE,
      more: { N: newNonce(), RUN: ctx.run },
      wanted: null,
    });
    // live by another hand than ours: the link was put back before this is asked
    if (stdout.trim() === "live") return "conflict";
    return stdout.trim() === "removed" ? "restored" : "untouched";
  },
};

async function ask(
  ctx: WriteContext<SshConnection>,
  { release, path }: UploadInput,
  {
    text,
    more,
    wanted,
  }: {
    readonly text: string;
    readonly more: Readonly<Record<string, string>>;
    readonly wanted: string | null;
  },
): Promise<Ran> {
  const values = { P: path, ID: release, STAMP: stampName(ctx.stamp), ...more };
  const ran = await hostOf(ctx.connection, ctx.unit).run(ctx, { text, values });
  if (ran.status !== 0) throw await refusalOf(ctx, wishFor(path, release, wanted), ran);
  return ran;
}

function wishFor(path: string, release: string, wanted: string | null): Wish {
  return { path, what: "The upload", thing: `${path}/${linkTo(release)}`, wanted };
}

async function readPlanned(
  { source, digest, exclude, allow }: UploadInput,
  ctx: WriteContext<SshConnection>,
): Promise<Artifact> {
  const artifact = await readSource(source, {
    folder: ctx.folder,
    signal: ctx.signal,
    ...(exclude === undefined ? {} : { exclude }),
    ...(allow === undefined ? {} : { allow }),
  });
  if (artifact.digest === digest) return artifact;
  const name = typeof source === "string" ? source : `git ${source.git}`;
  throw sourceChanged(name, { wanted: digest, found: artifact.digest });
}

async function send(
  ctx: WriteContext<SshConnection>,
  { path, release }: UploadInput,
  {
    artifact,
    proof,
    attempt,
  }: { readonly artifact: Artifact; readonly proof: Proof; readonly attempt: string },
): Promise<void> {
  const host = hostOf(ctx.connection, ctx.unit);
  const tar = tarStream(artifact, { trailer: proof.trailer, signal: ctx.signal });
  const ran = await host.exec(
    ctx,
    { text: UNPACK, values: { P: path, ID: release, N: attempt } },
    { body: gzipped(counted(tar, artifact, ctx)) },
  );
  if (ran.status === 0) return;
  const wish = wishFor(path, release, `attempt ${attempt}`);
  const isRefusal = ran.status === REFUSED.conflict;
  throw isRefusal ? await refusalOf(ctx, wish, ran) : remoteFailed(host, "Unpacking", ran);
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  artifact: Artifact,
  ctx: WriteContext<SshConnection>,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of bytes) {
    yield chunk;
    sent += chunk.length;
    ctx.progress({ bytes: Math.min(sent, artifact.bytes), totalBytes: artifact.bytes });
  }
}
