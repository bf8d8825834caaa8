import { randomBytes } from "node:crypto";
import type { AwsClient } from "../aws-client.ts";
import type { BucketSettings } from "../bucket-options.ts";
import { failureOf } from "../failure.ts";
import { judge } from "../judge.ts";
import { patiently, type Patience, type Trouble } from "../patience.ts";
import { copySource } from "../sdk-calls.ts";
import { type Capabilities, namedIn, type Obedience } from "./capabilities.ts";

/** ETag of no object. */
const WRONG = '"00000000000000000000000000000000"';

/** What a server answered: the new ETag, or a status that refuses. */
type Outcome = { readonly etag: string } | { readonly refused: number };

/** The requests of one trial, each on the same key. */
interface Trial {
  put(conditions: Readonly<Record<string, string>>): Promise<Outcome>;
  copy(conditions: Readonly<Record<string, string>>): Promise<Outcome>;
  remove(conditions?: Readonly<Record<string, string>>): Promise<Outcome>;
}

/** Where a server is tried out. */
export interface TrialPlace {
  readonly aws: AwsClient;
  readonly settings: BucketSettings;
  readonly prefix: string;
}

/**
 * Sends requests that a server must refuse, and a few that it must not, to a new object.
 *
 * An answer that is lost makes the whole trial worthless: it fails, to be made again with another object.
 * If the process dies here, one or two objects of a few bytes stay below `prefix`.
 */
export async function tryOut(place: TrialPlace, patience: Patience): Promise<Capabilities> {
  const key = `${place.prefix}.trial-${randomBytes(8).toString("hex")}`;
  const trial = trialOf(place, patience, key);
  try {
    const create = await createOf(trial);
    const replace = await replaceOf(trial);
    const copy = await copyOf(trial, replace.etags);
    const remove = await removeOf(trial, replace.etags);
    return { create, ...replace, remove, copy };
  } finally {
    // best effort: the object harms nobody, and the failure that led here says more
    await trial.remove().catch(() => undefined);
  }
}

async function createOf(trial: Trial): Promise<Obedience> {
  const first = await trial.put({ IfNoneMatch: "*" });
  if ("refused" in first) {
    await trial.put({});
    return "unsupported";
  }
  return obedienceOf(await trial.put({ IfNoneMatch: "*" }));
}

async function replaceOf(trial: Trial): Promise<Pick<Capabilities, "replace" | "etags">> {
  const wrong = obedienceOf(await trial.put({ IfMatch: WRONG }));
  if (wrong !== "obeyed") return { replace: wrong, etags: "quoted" };
  const etag = await etagOf(trial);
  if (!("refused" in (await trial.put({ IfMatch: etag }))))
    return { replace: "obeyed", etags: "quoted" };
  const bare = namedIn(etag, "unquoted");
  const isRefused = "refused" in (await trial.put({ IfMatch: bare }));
  if (isRefused) return { replace: "unsupported", etags: "quoted" };
  const stale = obedienceOf(await trial.put({ IfMatch: bare }));
  return { replace: stale, etags: "unquoted" };
}

async function copyOf(trial: Trial, etags: Capabilities["etags"]): Promise<Obedience> {
  const over = obedienceOf(await trial.copy({ IfNoneMatch: "*" }));
  if (over !== "obeyed") return over;
  const stale = obedienceOf(await trial.copy({ IfMatch: WRONG }));
  if (stale !== "obeyed") return stale;
  const IfMatch = namedIn(await etagOf(trial), etags);
  return "refused" in (await trial.copy({ IfMatch })) ? "unsupported" : "obeyed";
}

async function removeOf(trial: Trial, etags: Capabilities["etags"]): Promise<Obedience> {
  const etag = await etagOf(trial);
  const stale = obedienceOf(await trial.remove({ IfMatch: WRONG }));
  if (stale !== "obeyed") return stale;
  const removed = await trial.remove({ IfMatch: namedIn(etag, etags) });
  return "refused" in removed ? "unsupported" : "obeyed";
}

async function etagOf(trial: Trial): Promise<string> {
  const written = await trial.put({});
  return "etag" in written ? written.etag : WRONG;
}

/** What a server makes of a condition that does not hold. */
function obedienceOf(outcome: Outcome): Obedience {
  if (!("refused" in outcome)) return "ignored";
  return outcome.refused === 412 ? "obeyed" : "unsupported";
}

function trialOf({ aws, settings }: TrialPlace, patience: Patience, Key: string): Trial {
  const { sdk, client } = aws;
  const { bucket: Bucket, expectedBucketOwner: ExpectedBucketOwner } = settings;
  const owned = {
    Bucket,
    Key,
    ...(ExpectedBucketOwner === undefined ? {} : { ExpectedBucketOwner }),
  };
  const what = `TRY s3://${Bucket}/${Key}`;
  const outcome = (send: () => Promise<object>): Promise<Outcome> =>
    patiently(patience, {
      what,
      send: () => outcomeOf(send),
      judge: (error) => onlyThrottled(error, judge(what, Bucket, error)),
    });
  let count = 0;
  return {
    put(conditions) {
      count += 1; // no two writes have the same ETag
      const Body = Buffer.from(`A trial of Lockstep, to be removed: ${count}`);
      const request = { ...owned, Body, ContentLength: Body.byteLength, ...conditions };
      return outcome(() => client.send(new sdk.PutObjectCommand(request)));
    },
    copy(conditions) {
      // onto itself, which needs new headers to be allowed
      const onto = { CopySource: copySource(Bucket, Key), MetadataDirective: "REPLACE" } as const;
      const request = { ...owned, ...onto, ...conditions };
      return outcome(() => client.send(new sdk.CopyObjectCommand(request)));
    },
    remove: (conditions = {}) =>
      outcome(() => client.send(new sdk.DeleteObjectCommand({ ...owned, ...conditions }))),
  };
}

/** Who is told to slow down knows that nothing was done; after any other trouble the trial is worth nothing. */
function onlyThrottled(error: unknown, trouble: Trouble): Trouble {
  return trouble.kind === "throttled" ? trouble : { kind: "final", error };
}

/** How servers refuse a condition; any other failure is none of the trial's. */
const REFUSALS = /^(?:400 (?:InvalidArgument|InvalidRequest|NotImplemented)|412 .*|501 .*)$/;

async function outcomeOf(send: () => Promise<object>): Promise<Outcome> {
  try {
    const { ETag }: { readonly ETag?: string } = await send();
    return { etag: ETag ?? "" };
  } catch (error) {
    const { status, code } = failureOf(error);
    if (status === undefined || !REFUSALS.test(`${status} ${code}`)) throw error;
    return { refused: status };
  }
}
