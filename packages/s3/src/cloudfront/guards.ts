import { keysUnfit } from "../errors.ts";
import type { S3Settings } from "../options.ts";
import type { SiteRelease } from "../release.ts";

/** Longest key, in bytes. */
const LONGEST_KEY = 1024;

/** Bytes that come before a path: `r/`, the name of the release, and a slash. */
const RELEASE_PREFIX = 67;

/** Refuses paths that are too long below the prefix of their release. */
export function refuseLongKeys({ prefix }: S3Settings, { files }: SiteRelease): void {
  const longest = LONGEST_KEY - RELEASE_PREFIX - Buffer.byteLength(prefix);
  const problems = files
    .filter(({ path }) => Buffer.byteLength(path) > longest)
    .map(({ path }) => `${path} (longer than ${longest} bytes)`);
  if (problems.length > 0) throw keysUnfit(problems);
}
