import { describe, expect, it } from "vitest";
import { http } from "../src/index.ts";
import { always, context, serve } from "./support.ts";

interface Seen {
  readonly ok: boolean;
  readonly ms: number;
}

async function watch(url: string, count: number, timeoutMs = 1000): Promise<readonly Seen[]> {
  const stop = new AbortController();
  const target = http({ checks: [{ url }], watch: { url, intervalMs: 10, timeoutMs } });
  const seen: Seen[] = [];
  for await (const one of target.watch?.(context(stop.signal)) ?? []) {
    seen.push(one);
    if (seen.length === count) stop.abort();
  }
  return seen;
}

describe("the watch of an http target", () => {
  it("asks again and again until it is stopped", async () => {
    let requests = 0;
    await using site = await serve((_request, response) => {
      requests += 1;
      response.end();
    });

    const seen = await watch(site.url, 4);

    expect(seen.map(({ ok }) => ok)).toEqual([true, true, true, true]);
    expect(requests).toBe(4);
  });

  it("counts errors, refused connections and late answers as failed", async () => {
    const statuses = [200, 302, 404, 503];
    await using site = await serve((_request, response) => {
      const status = statuses.shift();
      if (status !== undefined) response.writeHead(status).end();
    });

    const seen = await watch(site.url, 5, 50);

    expect(seen.map(({ ok }) => ok)).toEqual([true, true, false, false, false]);
    expect(seen.at(-1)?.ms).toBeGreaterThanOrEqual(45);
  });

  it("notices a server that is gone between two requests", async () => {
    const site = await serve(always(200));
    site.server.once("request", () => {
      site.server.closeAllConnections();
      site.server.close();
    });

    const seen = await watch(site.url, 3);

    expect(seen.slice(1).map(({ ok }) => ok)).toEqual([false, false]);
  });

  it("ends without a result when it is stopped in the middle of a request", async () => {
    const stop = new AbortController();
    await using site = await serve(() => stop.abort());
    const target = http({ checks: [{ url: site.url }], watch: { url: site.url } });

    const seen: Seen[] = [];
    for await (const one of target.watch?.(context(stop.signal)) ?? []) seen.push(one);

    expect(seen).toEqual([]);
  });
});

describe("the doctor of an http target", () => {
  it("tells which URLs answer from here, whatever they answer", async () => {
    await using site = await serve(always(404));
    const gone = await serve(always(200));
    await gone[Symbol.asyncDispose]();
    const target = http({ checks: [{ url: `${site.url}/a?k=hunter22` }, { url: gone.url }] });

    const findings = [];
    for await (const finding of target.doctor?.(context()) ?? []) findings.push(finding);

    expect(findings).toMatchObject([
      { level: "ok", text: `${site.url}/a?k=… answers 404` },
      { level: "warn", text: `${gone.url}/ no answer (ECONNREFUSED)` },
    ]);
  });
});
