import { hash } from "node:crypto";
import type { Check, CheckResult, PlannedStep, ReadContext } from "@lockstep/plugin";
import { STATUS_HEADER } from "../cloudfront/route.ts";
import { PREVIEW_NAME } from "../cloudfront/router.ts";
import type { S3Connection } from "../connection.ts";
import { plain } from "../errors.ts";
import { DIGEST_HEADER } from "../object-headers.ts";
import { inParallel } from "../parallel.ts";
import type { SiteFile, SiteRelease } from "../release.ts";
import { urlsOf } from "../rules/urls.ts";

/** Which release visitors are to get, and where they are asked for. */
export type CheckSiteInput = {
  readonly release: string;
  /** The release of the run: a check that names it is not asked of what is put back. */
  readonly run: string;
  /** The release before: some of its assets are asked for, too. */
  readonly from: string | null;
  readonly url: string;
  readonly paths: readonly string[];
  readonly sample: number;
  /** Whether pages are served without the end of their names, too: `/about` for `about.html`. */
  readonly clean?: true;
  /** Whether the release is asked for by its name, before anybody else is led to it. */
  readonly isStaged?: true;
  /** Whether it is an older release, which need not have every path that the config names today. */
  readonly isReturn?: true;
};

/** One question and the answer that is wanted. */
interface Question {
  readonly url: string;
  /** Undefined for a path that no file of the release answers. */
  readonly file: SiteFile | undefined;
}

/** Questions that are asked side by side. */
const PARALLEL = 8;

/** Milliseconds for one answer. */
const TIMEOUT_MS = 15_000;

/** Longest file, in bytes, that a sample takes. */
const LONGEST = 8 * 1024 * 1024;

/**
 * Asks for pages and files over the public URL and compares status, bytes, type and cache rule with the
 * release. A server that cannot be reached from here is no proof of anything.
 */
export const checkSite: Check<CheckSiteInput, S3Connection> = {
  kind: "s3.check-site/1",

  describe: ({ url, paths, sample, isStaged }) =>
    `ask ${url} for ${paths.join(", ")} and ${sample} files${isStaged === true ? " of the staged release" : ""}`,

  async check(input, ctx) {
    const { connection, signal } = ctx;
    const release = await connection.release(input.release, signal);
    const before = input.from === null ? null : await connection.release(input.from, signal);
    const preview = `${PREVIEW_NAME}=${input.release.replace("sha256:", "")}`;
    const headers = input.isStaged === true ? { cookie: preview } : {};
    const results: CheckResult[] = [];
    await inParallel(questionsOf(input, release, before), PARALLEL, async (question) => {
      results.push(await ask(question, headers, ctx));
    });
    const worst = (status: CheckResult["status"]): CheckResult | undefined =>
      results.find((result) => result.status === status);
    return worst("fail") ?? worst("inconclusive") ?? { status: "pass" };
  },
};

function questionsOf(
  { url, paths, sample, clean, isReturn }: CheckSiteInput,
  release: SiteRelease,
  before: SiteRelease | null,
): readonly Question[] {
  const addressesOf = (path: string): readonly string[] =>
    clean === true ? [...urlsOf(path), `/${path.replace(/\.html$/, "")}`] : urlsOf(path);
  const named = paths.flatMap((path): Question[] => {
    const wanted = decodeURIComponent(path).normalize("NFC");
    const file = release.files.find((one) => addressesOf(one.path).includes(wanted));
    return file === undefined && isReturn === true ? [] : [{ url: `${url}${path}`, file }];
  });
  const chosen = release.files.filter(({ size }) => size <= LONGEST);
  const old = (before?.files ?? []).filter(
    ({ path, inPlace, size }) => inPlace && size <= LONGEST && !release.byPath.has(path),
  );
  const files = [
    ...shuffled(chosen, release.ref).slice(0, sample),
    ...shuffled(old, release.ref).slice(0, Math.max(1, sample)),
  ];
  return [...named, ...files.map((file) => ({ url: `${url}/${escaped(file.path)}`, file }))];
}

/** The steps of a way back: their checks leave out what the older release never had. */
export function forReturn(steps: readonly PlannedStep[]): PlannedStep[] {
  return steps.map((step) =>
    step.kind === checkSite.kind
      ? { ...step, input: { ...(step.input as CheckSiteInput), isReturn: true } }
      : step,
  );
}

/** The same choice for the same release, another for every other. */
function shuffled(files: readonly SiteFile[], seed: string): readonly SiteFile[] {
  const keyed = files.map((file) => ({ file, key: hash("sha1", `${seed} ${file.path}`, "hex") }));
  return keyed.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ file }) => file);
}

function escaped(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

async function ask(
  { url, file }: Question,
  headers: Readonly<Record<string, string>>,
  { signal }: ReadContext<S3Connection>,
): Promise<CheckResult> {
  if (file === undefined) {
    return { status: "fail", wanted: `a file of the release at ${url}`, found: "none" };
  }
  const get = (address: string): Promise<Response> =>
    fetch(address, {
      redirect: "manual",
      headers: { "user-agent": "lockstep", ...headers },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  try {
    const response = await get(url);
    if (!leadsIntoFolder(url, response)) return await judge(url, file, response);
    await response.body?.cancel();
    return await judge(`${url}/`, file, await get(`${url}/`));
  } catch (error) {
    signal.throwIfAborted();
    const found = error instanceof Error ? plain(reasonOf(error)) : "no answer";
    return { status: "inconclusive", wanted: `an answer from ${url}`, found };
  }
}

/** Website endpoints lead from `/docs` to `/docs/`, where the page of the folder is. */
function leadsIntoFolder(url: string, { status, headers }: Response): boolean {
  const location = headers.get("location");
  if (status < 300 || status > 399 || location === null) return false;
  const target = URL.canParse(location, url) ? new URL(location, url).pathname : undefined;
  return target === `${new URL(url).pathname}/`;
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error && error.cause.message !== ""
    ? error.cause.message
    : error.message;
}

async function judge(url: string, file: SiteFile, response: Response): Promise<CheckResult> {
  const { headers, sha256 } = file;
  const failed = (what: string, wanted: string, found: string | null): CheckResult => ({
    status: "fail",
    wanted: `${url}: ${what} ${wanted}`,
    found: found === null ? "none" : plain(found),
  });
  const target = headers["x-amz-website-redirect-location"];
  const body = new Uint8Array(await response.arrayBuffer());
  const wanted = Number(headers[STATUS_HEADER] ?? (target === undefined ? 200 : 301));
  if (response.status !== wanted) return failed("status", `${wanted}`, `${response.status}`);
  if (target !== undefined) return { status: "pass" };
  const mark = response.headers.get(DIGEST_HEADER);
  if (mark !== null && mark !== sha256) return failed("release", sha256, mark);
  for (const name of ["content-type", "cache-control", "content-encoding"]) {
    const found = response.headers.get(name);
    if (headers[name] !== undefined && found !== headers[name]) {
      return failed(name, headers[name], found);
    }
  }
  // what is stored packed was unpacked on its way here: its mark was compared
  if (headers["content-encoding"] !== undefined) return { status: "pass" };
  const found = hash("sha256", body, "hex");
  return found === sha256 ? { status: "pass" } : failed("digest", sha256, found);
}
