import { isLockstepError, type LockstepError, raising } from "@lockstep/plugin";
import { registryErrors } from "./catalogue.ts";
import { type Complaint, plain } from "./net/complaint.ts";
import { shownUrl } from "./net/url.ts";

const raise = raising(registryErrors);

/** A registry led to where it must not. */
export function addressRefused(url: URL, address: string): LockstepError {
  return raise("REGISTRY_ADDRESS_REFUSED", `${shownUrl(url)} leads to the address ${address}.`);
}

/** What a request was answered with, for messages. */
export interface Refusal {
  /** `PUT https://ghcr.io/v2/acme/shop/manifests/latest` without its query. */
  readonly request: string;
  readonly status: number;
  readonly complaints: readonly Complaint[];
}

/** The registry answered what it may not answer here. */
export function answerUnexpected(refusal: Refusal, retryable = false): LockstepError {
  const { request, status, complaints } = refusal;
  return raise("REGISTRY_ANSWER", `${request} was answered ${status}${wordsOf(complaints)}.`, {
    retryable,
  });
}

/** More bytes than any honest answer has. */
export function answerTooLarge(url: URL, most: number): LockstepError {
  return raise("REGISTRY_ANSWER_LARGE", `${shownUrl(url)} answered with more than ${most} bytes.`);
}

/** An archive or layout cannot be used. */
export function archiveUnfit(path: string, problem: string): LockstepError {
  return raise("REGISTRY_ARCHIVE", `${plain(path)}: ${plain(problem)}.`);
}

/** The base cannot be built on. */
export function baseUnfit(base: string, problem: string): LockstepError {
  return raise("REGISTRY_BASE", `The base ${base} ${problem}.`);
}

/** The registry wants a longer pause than the run allows. */
export function busy(host: string, seconds: number, mostMs: number): LockstepError {
  return raise(
    "REGISTRY_BUSY",
    `${host} asks to wait ${seconds} s; at most ${Math.round(mostMs / 1000)} s are allowed.`,
    { retryable: true },
  );
}

/** Content is not what its digest says. */
export function contentWrong(what: string, wanted: string, found: string): LockstepError {
  return raise("REGISTRY_CONTENT", `${what} has the digest ${found}, asked for was ${wanted}.`, {
    retryable: true,
  });
}

/** Credentials are not where they should be. */
export function credentialsMissing(where: string, cause?: unknown): LockstepError {
  return raise("REGISTRY_CREDENTIALS", `There are no credentials in ${where}.`, { cause });
}

/** A file of credentials is unusable. Nothing of its content is shown. */
export function credentialsUnreadable(path: string, problem: string): LockstepError {
  return raise("REGISTRY_CREDENTIALS", `The credentials in ${path} cannot be used: ${problem}.`);
}

/** The account may not do this. */
export function forbidden(refusal: Refusal, origin: string): LockstepError {
  const { request, status, complaints } = refusal;
  return raise(
    "REGISTRY_FORBIDDEN",
    `${request} was answered ${status}${wordsOf(complaints)}, with credentials from ${origin}.`,
  );
}

/** A credential helper did not do its work. Its output is not shown: it may hold the secret. */
export function helperFailed(helper: string, host: string, problem: string): LockstepError {
  return raise("REGISTRY_HELPER", `\`${helper} get\` for ${host} ${problem}.`);
}

/** Plain HTTP where HTTPS is needed. */
export function insecureRefused(url: URL): LockstepError {
  return raise("REGISTRY_INSECURE", `${shownUrl(url)} is not HTTPS.`);
}

/** Nobody vouched for who signs. What the services answered is not shown: it may quote the token. */
export function keylessFailed(cause: unknown): LockstepError {
  const code = cause instanceof Error && "code" in cause ? plain(String(cause.code)) : "it failed";
  return raise("REGISTRY_SIGNING", `The image could not be signed without a key: ${code}.`, {
    cause,
  });
}

/** A login is wanted, and nobody has left one. */
export function loginMissing(
  url: URL,
  status: number,
  { searched, host }: { readonly searched: readonly string[]; readonly host: string },
): LockstepError {
  return raise(
    "REGISTRY_LOGIN",
    `${shownUrl(url)} answered ${status}, and there are no credentials in ${searched.join(", ")}.`,
    {
      hint: `Run \`docker login ${host}\` or \`podman login ${host}\`, or give \`auth\` in the config.`,
    },
  );
}

/** The credentials were refused. */
export function loginRefused(url: URL, status: number, origin: string): LockstepError {
  return raise(
    "REGISTRY_LOGIN",
    `${shownUrl(url)} answered ${status} to the credentials from ${origin}.`,
  );
}

/** A newer build is live. */
export function newerIsLive(
  tag: string,
  { ours, found, revision }: { ours: number; found: number; revision: string | undefined },
): LockstepError {
  const what = revision === undefined ? "a build" : `revision ${plain(revision)}`;
  return raise(
    "REGISTRY_NEWER",
    `${tag} holds ${what} of order ${found}, this release is ${ours}.`,
  );
}

/** A package is needed that is not installed. */
export function peerMissing(name: string, purpose: string, cause: unknown): LockstepError {
  return raise("REGISTRY_PEER", `${name} is not installed; it is needed for ${purpose}.`, {
    cause,
  });
}

/** Credentials would go to a stranger. */
export function realmRefused(registry: string, realm: URL): LockstepError {
  return raise("REGISTRY_REALM", `${registry} sends logins to ${shownUrl(realm)}.`);
}

/** A redirect is not followed. */
export function redirectRefused(url: URL, what: string): LockstepError {
  return raise("REGISTRY_REDIRECT", `${shownUrl(url)} was answered with ${what}.`);
}

/** An image cannot be live again. */
export function releaseGone(image: string): LockstepError {
  return raise("REGISTRY_RELEASE_GONE", `${image} is not in the registry any more.`);
}

/** The token says that the account may not do what is wanted. */
export function rightMissing(
  repository: string,
  needed: "pull" | "push",
  { rights, origin }: { readonly rights: readonly string[]; readonly origin: string },
): LockstepError {
  const given = rights.length === 0 ? "no rights" : `the rights ${rights.join(", ")}`;
  return raise(
    "REGISTRY_FORBIDDEN",
    `The credentials from ${origin} get ${given} in ${repository}; ${needed} is needed.`,
  );
}

/** The key cannot sign. */
export function signingFailed(key: string, problem: string): LockstepError {
  return raise("REGISTRY_SIGNING", `The signing key ${key} ${problem}.`);
}

/** The source cannot become an image. */
export function sourceUnfit(source: string, problem: string): LockstepError {
  return raise("REGISTRY_SOURCE", `The source ${plain(source)} ${plain(problem)}.`);
}

/** The registry protects the tag. */
export function tagImmutable(tag: string, complaints: readonly Complaint[]): LockstepError {
  return raise("REGISTRY_TAG_IMMUTABLE", `${tag} cannot be moved${wordsOf(complaints)}.`);
}

/** The registry keeps a tag that should go. */
export function tagStays(tag: string, status: number): LockstepError {
  return raise(
    "REGISTRY_TAG_STAYS",
    `${tag} could not be removed: the registry answers ${status}.`,
  );
}

/** Why a tag could not go back, with what it points at instead. Null stands for no tag. */
export function tagNotBack(
  tag: string,
  { seen, before }: { readonly seen: string | null; readonly before: string | null },
  failure: unknown,
): unknown {
  if (!isLockstepError(failure)) return failure;
  const was = before === null ? "did not exist" : `pointed at ${before}`;
  return raise(
    failure.code,
    `${failure.message} ${tag} was last seen at ${seen ?? "nothing"}; before the run it ${was}.`,
    { retryable: failure.retryable, hint: failure.hint, cause: failure },
  );
}

/** Several failures of one step as one that tells them all; what no registry caused comes first. */
export function together(failures: readonly unknown[]): unknown {
  const [first] = failures;
  if (failures.length === 1 || !isLockstepError(first)) return first;
  const bug = failures.find((failure) => !isLockstepError(failure));
  if (bug !== undefined) return bug;
  return raise(
    first.code,
    failures.map((failure) => (failure as LockstepError).message).join(" "),
    {
      retryable: failures.every((failure) => (failure as LockstepError).retryable),
      cause: new AggregateError(failures, "Several tags could not be moved."),
    },
  );
}

/** No answer at all. */
export function unreachable(url: URL, cause: unknown): LockstepError {
  return raise("REGISTRY_UNREACHABLE", `${shownUrl(url)} cannot be reached: ${reasonOf(cause)}.`, {
    retryable: true,
    cause,
  });
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  if (!(cause instanceof Error)) return "it failed";
  const code = "code" in cause ? String(cause.code) : "";
  return plain(code === "" ? cause.message : code).slice(0, 200);
}

function wordsOf(complaints: readonly Complaint[]): string {
  const words = complaints.map(({ code, message }) => [code, message].filter(Boolean).join(": "));
  return words.length === 0 ? "" : ` (${words.join("; ").slice(0, 600)})`;
}
