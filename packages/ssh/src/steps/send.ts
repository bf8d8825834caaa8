import type { Artifact, Manifest } from "@lockstep/artifact";
import type { WriteContext } from "@lockstep/plugin";
import { plannedArtifact } from "../artifacts.ts";
import { bestOf } from "../compress.ts";
import { hostOf, type SshConnection } from "../connection.ts";
import { changedPaths } from "../edit.ts";
import { uploadIncomplete } from "../errors.ts";
import { newNonce } from "../framing.ts";
import type { Ran } from "../host.ts";
import { linkTo, REFUSED, stampName } from "../layout.ts";
import { readManifest, rememberManifest } from "../manifests.ts";
import type { Script } from "../shell.ts";
import { type Attempt, type Packed, packed, type Sending, type UploadInput } from "./packed.ts";
import { refusalOf, type Wish } from "./refusal.ts";
import { ARRIVE, BEGIN } from "./upload-scripts.ts";

/** Bytes kept of the names of files that have to be sent again. */
const NAMES_BYTES = 1_048_576;

/**
 * Makes a release complete on a host: what changed since the release before is sent, the rest copied there, and
 * the whole compared. Files that were altered on the host are sent again; when more than files differs, all of it.
 *
 * @param wanted - What the host had under the id of the release when it was looked at.
 * @throws {LockstepError} `SOURCE_CHANGED`, `STEP_CONFLICT`, `FENCED`, `SSH_UPLOAD_INCOMPLETE`, `SSH_REMOTE_FAILED`
 */
export async function send(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  wanted: string | null,
): Promise<void> {
  const first = prepared(ctx, input, begin(ctx, input, { wanted, isWhole: input.base === "none" }));
  let ran = await transfer(ctx, input, first);
  const sending = await first;
  if (sending === undefined) return;
  const { attempt, artifact } = sending;
  if (ran.status !== 0 && attempt.base !== undefined) {
    ctx.log(`${linkTo(attempt.base.release)} was altered on the host; what differs is sent\n`);
    const only = namesIn(ran, artifact);
    const again =
      only === undefined
        ? prepared(ctx, input, begin(ctx, input, { wanted: `staging ${ctx.run}`, isWhole: true }))
        : Promise.resolve({ attempt: { ...attempt, base: undefined }, artifact, only });
    ran = await transfer(ctx, input, again);
  }
  if (ran.status !== 0) throw uploadIncomplete(hostOf(ctx.connection, ctx.unit), ran.stderr);
  rememberManifest(ctx.connection, input.digest, artifact.manifest);
}

/** What an attempt sends; undefined when there is none. */
async function prepared(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  begun: Promise<Attempt | undefined>,
): Promise<Sending | undefined> {
  const [attempt, artifact] = await Promise.all([begun, plannedArtifact(ctx, input)]);
  if (attempt === undefined) return undefined;
  return { attempt, artifact, only: changedSince(attempt.base?.manifest, artifact) };
}

/** Makes an empty tree; undefined when the host has the release already. */
async function begin(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  { wanted, isWhole }: { readonly wanted: string | null; readonly isWhole: boolean },
): Promise<Attempt | undefined> {
  const name = newNonce();
  const more = { N: name, DIGEST: input.digest, BEFORE: wanted ?? "", RUN: ctx.run };
  const { stdout } = await askHost(ctx, input, { text: BEGIN, more, wanted });
  const lines = stdout.split("\n").map((line) => line.split(" "));
  if (lines[0]?.[0] === "done") return undefined;
  const compression = bestOf(lines.flatMap(([key, tool = ""]) => (key === "tool" ? [tool] : [])));
  const [, release = "", digest = ""] = lines.find(([key]) => key === "base") ?? [];
  if (isWhole || release === "") return { name, compression };
  const host = hostOf(ctx.connection, ctx.unit);
  const manifest = await readManifest(ctx, host, { release, digest });
  return { name, compression, ...(manifest.length === 0 ? {} : { base: { release, manifest } }) };
}

/** Runs a script of this step; whatever it refuses is thrown. */
export async function askHost(
  ctx: WriteContext<SshConnection>,
  { release, path }: UploadInput,
  {
    text,
    more,
    wanted,
  }: { readonly text: string; readonly more: Script["values"]; readonly wanted: string | null },
): Promise<Ran> {
  const values = { P: path, ID: release, STAMP: stampName(ctx.stamp), ...more };
  const ran = await hostOf(ctx.connection, ctx.unit).run(ctx, { text, values });
  if (ran.status !== 0) throw await refusalOf(ctx, wishFor(path, release, wanted), ran);
  return ran;
}

function wishFor(path: string, release: string, wanted: string | null): Wish {
  return { path, what: "The upload", thing: `${path}/${linkTo(release)}`, wanted };
}

/** Directories, links and the files that the base does not have; undefined, for all, without a base. */
function changedSince(base: Manifest | undefined, { manifest }: Artifact): Set<string> | undefined {
  if (base === undefined) return undefined;
  const others = manifest.flatMap(({ type, path }) => (type === "file" ? [] : [path]));
  return new Set([...others, ...changedPaths(base, manifest)]);
}

/** The files that the host wants again; undefined when it wants more than files, or its answer was cut. */
function namesIn({ stdout }: Ran, { manifest }: Artifact): Set<string> | undefined {
  const names = stdout.split("\n").filter((line) => line !== "");
  const files = new Set(
    manifest.flatMap(({ type, path }) => (type === "file" ? [`./${path}`] : [])),
  );
  if (names.length === 0 || !names.every((name) => files.has(name))) return undefined;
  return new Set(names.map((name) => name.slice(2)));
}

/**
 * Sends what is named and has the whole compared; the answer says whether it is complete. The channel is opened
 * while the host makes ready what is sent to.
 */
async function transfer(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  made: Promise<Sending | undefined>,
): Promise<Ran> {
  const packing = made.then((sending) => sending && packed(ctx, input, sending));
  const script = packing.then((all) => all && { text: ARRIVE, values: all.values });
  script.catch(() => undefined); // of a host that cannot be reached nobody asks for it
  const host = hostOf(ctx.connection, ctx.unit);
  const ran = await host.exec(ctx, script, { body: bodyOf(packing), outputBytes: NAMES_BYTES });
  if (ran.status === 0 || ran.status === REFUSED.incomplete) return ran;
  const { path, release } = input;
  const name = (await made)?.attempt.name ?? "";
  throw await refusalOf(ctx, wishFor(path, release, `attempt ${name}`), ran);
}

async function* bodyOf(packing: Promise<Packed | undefined>): AsyncGenerator<Uint8Array> {
  const all = await packing;
  if (all !== undefined) yield* all.body;
}
