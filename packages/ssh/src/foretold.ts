import type { RemoteHost } from "./host.ts";

/**
 * Milliseconds for which what a host said of a thing counts for the step that looks at it. What that step then writes
 * compares the thing again, on the host.
 */
const FRESH_MS = 1000;

/** What a request found out besides, for the step that comes next. */
interface Foretold {
  /** Made by {@link aboutRelease} or {@link aboutLink}. */
  readonly about: string;
  readonly text: string;
  readonly atMs: number;
}

const known = new WeakMap<RemoteHost, Foretold>();

/** Stands for a release on a host: `state run`, or nothing. */
export function aboutRelease(path: string, release: string): string {
  return `release ${path} ${release}`;
}

/** Stands for the link of a path on a host: its text, or nothing. */
export function aboutLink(path: string): string {
  return `link ${path}`;
}

/** Keeps what a host just said, until any step is started on it. */
export function foretell(host: RemoteHost, about: string, text: string): void {
  known.set(host, { about, text, atMs: performance.now() });
}

/** What the host said of a thing a moment ago. Whatever it said counts once. */
export function takeForetold(host: RemoteHost, about: string): string | undefined {
  const found = known.get(host);
  known.delete(host);
  if (found?.about !== about || performance.now() - found.atMs > FRESH_MS) return undefined;
  return found.text;
}

/** Something is done on the host: what it said may no longer be true. */
export function forgetForetold(host: RemoteHost): void {
  known.delete(host);
}
