import { setTimeout as sleep } from "node:timers/promises";

/** What visitors of the shop saw. */
export interface Visits {
  readonly requests: number;
  /** Everything but a whole page with status 200. */
  readonly failed: number;
  readonly slowestMs: number;
  /** Editions that were served, in the order in which they were first seen. */
  readonly editions: readonly string[];
}

/** Milliseconds between two requests of a visitor. */
const PAUSE_MS = 20;

/** Milliseconds after which a request counts as failed. */
const TIMEOUT_MS = 5_000;

/** Visits the front page of every site, again and again, while `body` runs. */
export async function whileVisited<T>(
  sites: readonly string[],
  body: () => Promise<T>,
): Promise<{ readonly result: T; readonly visits: Visits }> {
  const stop = new AbortController();
  const editions = new Set<string>();
  const seen = { requests: 0, failed: 0, slowestMs: 0 };
  const visitors = sites.map(async (site) => {
    while (!stop.signal.aborted) {
      const begun = performance.now();
      const edition = await editionAt(site);
      seen.requests += 1;
      seen.slowestMs = Math.max(seen.slowestMs, Math.round(performance.now() - begun));
      if (edition === undefined) seen.failed += 1;
      else editions.add(edition);
      await sleep(PAUSE_MS);
    }
  });
  try {
    const result = await body();
    stop.abort();
    await Promise.all(visitors);
    return { result, visits: { ...seen, editions: [...editions] } };
  } finally {
    stop.abort();
  }
}

/** The edition on the front page of a site; undefined when there is no whole page. */
export async function editionAt(site: string): Promise<string | undefined> {
  try {
    const response = await fetch(site, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const page = await response.text();
    if (response.status !== 200 || !page.trimEnd().endsWith("</html>")) return undefined;
    return /<meta name="edition" content="(\d+)">/.exec(page)?.[1];
  } catch {
    return undefined;
  }
}

/** The release that a site says it serves; undefined without an answer. */
export async function releaseAt(site: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${site}/health`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return ((await response.json()) as { readonly release?: string }).release;
  } catch {
    return undefined;
  }
}

/** Digest of the image at an address of a registry; undefined when there is none. */
export async function digestAt(url: string): Promise<string | undefined> {
  const accept =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
  const response = await fetch(url, { method: "HEAD", headers: { accept } });
  return response.headers.get("docker-content-digest") ?? undefined;
}
