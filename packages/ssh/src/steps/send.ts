import type { Artifact } from "@lockstep/artifact";
import type { WriteContext } from "@lockstep/plugin";
import { plannedArtifact } from "../artifacts.ts";
import { bestOf } from "../compress.ts";
import { hostOf, type SshConnection } from "../connection.ts";
import { uploadIncomplete } from "../errors.ts";
import { aboutLink, foretell } from "../foretold.ts";
import { newNonce } from "../framing.ts";
import type { Ran } from "../host.ts";
import { linkTo, REFUSED, stampName } from "../layout.ts";
import { readManifest, rememberManifest } from "../manifests.ts";
import type { Script } from "../shell.ts";
import { startOn } from "../start.ts";
import { type Attempt, packed, type Sending, type UploadInput } from "./packed.ts";
import { changedSince, channelsFor } from "./parts.ts";
import { refusalOf, type Wish } from "./refusal.ts";
import { ARRIVE, BEGIN, AT_ONCE, GATHER, UNPACK } from "./upload-scripts.ts";

/** Bytes kept of the names of files that have to be sent again. */
const NAMES_BYTES = 1_048_576;

/** What was sent, and what the host said to it; undefined when it has the release already. */
type Sent = { readonly sending: Sending; readonly ran: Ran } | undefined;

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
  const sent = await sendAtOnce(ctx, input, wanted);
  if (sent === undefined) return;
  const { sending } = sent;
  let { ran } = sent;
  const { attempt, artifact } = sending;
  if (ran.status !== 0 && attempt.base !== undefined) {
    ctx.log(`${linkTo(attempt.base.release)} was altered on the host; what differs is sent\n`);
    const only = namesIn(ran, artifact);
    const again = { attempt: { ...attempt, base: undefined }, artifact, only };
    ran =
      only === undefined
        ? ((await sendAsked(ctx, input, { wanted: `staging ${ctx.run}`, isWhole: true }))?.ran ??
          ran)
        : await transfer(ctx, input, again);
  }
  if (ran.status !== 0) throw uploadIncomplete(hostOf(ctx.connection, ctx.unit), ran.stderr);
  rememberManifest(ctx.connection, input.digest, artifact.manifest);
  if (ran.stdout.startsWith(LINK)) {
    foretell(
      hostOf(ctx.connection, ctx.unit),
      aboutLink(input.path),
      ran.stdout.slice(LINK.length),
    );
  }
}

/** Begins what a host says of its link once a release is complete. */
const LINK = "link ";

/**
 * Sends without asking first what there is to start from, where planning has seen it and little is to be sent: one
 * round trip. Else, and when the host has something else by now, it is asked.
 */
async function sendAtOnce(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  wanted: string | null,
): Promise<Sent> {
  const isWhole = input.base === "none";
  const host = hostOf(ctx.connection, ctx.unit);
  host.prepare(ctx, 1);
  const start = startOn(host);
  if (start === undefined) return sendAsked(ctx, input, { wanted, isWhole });
  const artifact = await plannedArtifact(ctx, input);
  const { compression, base: ref } = start;
  const manifest = ref === undefined || isWhole ? [] : await readManifest(ctx, host, ref);
  const base = ref === undefined || manifest.length === 0 ? undefined : { ...ref, manifest };
  const attempt = { name: newNonce(), compression, base };
  const sending = { attempt, artifact, only: changedSince(base?.manifest, artifact) };
  if (channelsFor(ctx.connection, sending) > 1) return sendAsked(ctx, input, { wanted, isWhole });
  const { bodies, values } = packed(ctx, input, sending);
  const begun = { ...beginning(ctx, input, { name: attempt.name, wanted }), ...values };
  const script = { text: AT_ONCE, values: { ...begun, BASEDIGEST: ref?.digest ?? "" } };
  await using body = await underWay(bodies[0]);
  const ran = await host.exec(ctx, script, { body, outputBytes: NAMES_BYTES });
  if (ran.status === REFUSED.otherBase) {
    return await sendAsked(ctx, input, { wanted: `staging ${ctx.run}`, isWhole });
  }
  await refuseAll(ctx, input, { ran, wanted });
  return { sending, ran };
}

/** Reads ahead until there is something to send: a source that was found changed by then has written nothing. */
async function underWay(
  body: AsyncIterable<Uint8Array> = (async function* () {})(),
): Promise<AsyncIterable<Uint8Array> & AsyncDisposable> {
  const pieces = body[Symbol.asyncIterator]();
  const first = await pieces.next();
  async function* all(): AsyncGenerator<Uint8Array> {
    if (first.done !== true) yield first.value;
    yield* { [Symbol.asyncIterator]: () => pieces };
  }
  return {
    [Symbol.asyncIterator]: all,
    // also when nobody has asked for any of it
    [Symbol.asyncDispose]: async () => void (await pieces.return?.()),
  };
}

/** Asks what there is to start from, and sends what is not. */
async function sendAsked(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  how: { readonly wanted: string | null; readonly isWhole: boolean },
): Promise<Sent> {
  const begun = begin(ctx, input, how);
  const [attempt, artifact] = await Promise.all([begun, plannedArtifact(ctx, input)]);
  if (attempt === undefined) return undefined;
  const sending = { attempt, artifact, only: changedSince(attempt.base?.manifest, artifact) };
  return { sending, ran: await transfer(ctx, input, sending) };
}

/** Makes an empty tree; undefined when the host has the release already. */
async function begin(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  { wanted, isWhole }: { readonly wanted: string | null; readonly isWhole: boolean },
): Promise<Attempt | undefined> {
  const name = newNonce();
  const more = beginning(ctx, input, { name, wanted });
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

function beginning(
  { run }: WriteContext<SshConnection>,
  { digest }: UploadInput,
  { name, wanted }: { readonly name: string; readonly wanted: string | null },
): Script["values"] {
  return { N: name, DIGEST: digest, BEFORE: wanted ?? "", RUN: run };
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
 * Sends what is named and has the whole compared; the answer says whether it is complete. What is large goes through
 * several channels, and is compared once all of it is there.
 */
async function transfer(
  ctx: WriteContext<SshConnection>,
  input: UploadInput,
  sending: Sending,
): Promise<Ran> {
  const host = hostOf(ctx.connection, ctx.unit);
  const { bodies, values } = packed(ctx, input, sending);
  const wanted = `attempt ${sending.attempt.name}`;
  const outputBytes = NAMES_BYTES;
  const text = bodies.length === 1 ? ARRIVE : UNPACK;
  const sent = await Promise.allSettled(
    bodies.map(async (body) => host.exec(ctx, { text, values }, { body, outputBytes })),
  );
  const failed = sent.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
  const answers = sent.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  for (const ran of answers) await refuseAll(ctx, input, { ran, wanted });
  const [first] = answers;
  if (first !== undefined && answers.length === 1) return first;
  const ran = await host.run(ctx, { text: GATHER, values }, { outputBytes });
  await refuseAll(ctx, input, { ran, wanted });
  return ran;
}

/** Throws what the host refused; what is only incomplete can be sent again. */
async function refuseAll(
  ctx: WriteContext<SshConnection>,
  { path, release }: UploadInput,
  { ran, wanted }: { readonly ran: Ran; readonly wanted: string | null },
): Promise<void> {
  if (ran.status === 0 || ran.status === REFUSED.incomplete) return;
  throw await refusalOf(ctx, wishFor(path, release, wanted), ran);
}
