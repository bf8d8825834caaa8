import { type LockstepError, type Problem, raising } from "@lockstep/plugin";
import { s3Errors } from "./catalogue.ts";

const raise = raising(s3Errors);

/** Most names that one message lists. */
const MOST_NAMES = 10;

/** Not part of the exchange. */
export function answerUnexpected(
  request: string,
  answer: string,
  retryable = false,
): LockstepError {
  return raise("S3_ANSWER", `${request} was answered ${plain(answer)}.`, { retryable });
}

/** An older object holds the name of an asset. */
export function assetClash(keys: readonly string[]): LockstepError {
  return raise("S3_ASSET_CLASH", `The name of an asset is taken by other bytes: ${names(keys)}.`);
}

/** There is no such bucket. */
export function bucketMissing(name: string): LockstepError {
  return raise("S3_BUCKET_MISSING", `There is no bucket ${name}.`);
}

/** Overloaded for too long. */
export function busy(request: string, tries: number): LockstepError {
  return raise("S3_BUSY", `${request} was told to slow down ${tries} times.`, { retryable: true });
}

/** Two clocks disagree. */
export function clockWrong(request: string): LockstepError {
  return raise("S3_CLOCK", `${request} was refused: the clock of this machine is wrong.`);
}

/** The signature, or what it was made with, is no good. */
export function credentialsRefused(request: string, reason: string): LockstepError {
  return raise("S3_CREDENTIALS", `${request} was refused: ${plain(reason)}.`);
}

/** Credentials that end before a run would. */
export function credentialsEnding(name: string, leftMs: number): LockstepError {
  const when = leftMs <= 0 ? "have ended" : `end in ${Math.ceil(leftMs / 1000)} s`;
  return raise("S3_CREDENTIALS", `The credentials for ${name} ${when}, and nobody renews them.`);
}

/** Nobody to sign as. */
export function credentialsMissing(name: string, cause: unknown): LockstepError {
  return raise("S3_CREDENTIALS", `There are no credentials for ${name}.`, { cause });
}

/** Known, and not allowed. */
export function denied(request: string): LockstepError {
  return raise("S3_DENIED", `${request} is not allowed.`);
}

/** No such distribution. */
export function distributionMissing(id: string): LockstepError {
  return raise("S3_DISTRIBUTION", `There is no distribution ${plain(id)} in this account.`);
}

/** Nothing to deploy. */
export function siteEmpty(source: string, what: string): LockstepError {
  return raise("S3_EMPTY", `${plain(source)} holds no ${what}.`);
}

/** Objects of somebody else. */
export function foreignObjects(place: string, keys: readonly string[]): LockstepError {
  return raise(
    "S3_FOREIGN",
    `${place} holds objects that Lockstep did not put there: ${names(keys)}.`,
  );
}

/** A rule about headers or redirects. */
export function headersUnfit(file: string, problem: string): LockstepError {
  return raise("S3_HEADERS_FILE", `${plain(file)}: ${plain(problem)}.`);
}

/** Paths that are no keys. */
export function keysUnfit(problems: readonly string[]): LockstepError {
  return raise("S3_KEY", `These files cannot be objects: ${names(problems)}.`);
}

/** Pages that name what is not there. */
export function linksBroken(problems: readonly string[]): LockstepError {
  return raise(
    "S3_REFERENCES",
    `Pages name files that are not in the release: ${names(problems)}.`,
  );
}

/** An object of ours that cannot be used. */
export function manifestUnfit(key: string, problem: string, cause?: unknown): LockstepError {
  return raise("S3_MANIFEST", `${key} ${plain(problem)}.`, { cause });
}

/** Not complete any more. */
export function releaseGone(release: string, missing: string): LockstepError {
  return raise("S3_RELEASE_GONE", `${release} cannot be live again: ${missing} is gone.`);
}

/** Somebody else writes all the time. */
export function valuesContended(store: string): LockstepError {
  return raise("S3_KEY_VALUES", `${store} was changed by others before every try.`, {
    retryable: true,
  });
}

/** No store, or none that can be used. */
export function valuesUnfit(store: string, problem: string, cause?: unknown): LockstepError {
  return raise("S3_KEY_VALUES", `${store} ${plain(problem)}.`, { cause });
}

/** More than a key value store takes. */
export function routesUnfit(problem: string): LockstepError {
  return raise("S3_ROUTES", `The router cannot be told about this release: ${plain(problem)}.`);
}

/** Suddenly small. */
export function siteShrunk(before: number, after: number): LockstepError {
  return raise("S3_SHRUNK", `The site had ${before} files and would have ${after}.`);
}

/** Two runs could both win. */
export function storeWithoutConditions(place: string, found: string): LockstepError {
  return raise("S3_STORE_CONDITIONS", `${place} cannot decide between two writers: ${found}.`);
}

/** A key that no store has. */
export function storeKeyWrong(key: string): LockstepError {
  return raise("S3_STORE_KEY", `${JSON.stringify(key).slice(0, 80)} is no key of a store.`);
}

/** Options of a store, with all that is wrong. */
export function storeOptionsWrong(problems: readonly Problem[]): LockstepError {
  const texts = problems.map(({ path, message }) => `${path.join(".")}: ${message}`);
  return raise("S3_STORE_OPTIONS", `The options of s3Store are wrong. ${texts.join(" ")}`);
}

/** Not one of the store's own. */
export function storeValueForeign(key: string): LockstepError {
  return raise("S3_STORE_VALUE", `${key} was not written by a store.`);
}

/** No answer. */
export function unreachable(request: string, reason: string, cause?: unknown): LockstepError {
  return raise("S3_UNREACHABLE", `${request} got no answer: ${plain(reason)}.`, {
    retryable: true,
    cause,
  });
}

/** What a foreign server or a file says, safe for a terminal. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ").slice(0, 400);
}

function names(all: readonly string[]): string {
  const shown = all.slice(0, MOST_NAMES).map((name) => plain(name));
  const more = all.length - shown.length;
  return more > 0 ? `${shown.join(", ")} and ${more} more` : shown.join(", ");
}
