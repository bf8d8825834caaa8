import { defineTarget, type Target, type TargetBody } from "@lockstep/plugin";
import { httpCheck } from "./check.ts";
import { type HttpOptions, schema, type WrittenHttpOptions } from "./options.ts";
import { planChecks } from "./plan.ts";
import { send } from "./request.ts";
import { printUrl } from "./url.ts";
import { VERSION } from "./version.ts";
import { watchUrl } from "./watch.ts";

/**
 * A target that only looks: can users reach what the other targets made live?
 *
 * Its checks run in the verify phase of every run that changes another target, and decide with all
 * other checks whether the release stays.
 */
export function http(options: WrittenHttpOptions): Target {
  return defineTarget(
    { plugin: "@lockstep/http", version: VERSION, schema, make: targetOf },
    options,
  );
}

function targetOf({ checks, watch }: HttpOptions): TargetBody<AsyncDisposable> {
  const urls = [...checks.map(({ url }) => url), ...(watch === undefined ? [] : [watch.url])];
  return {
    places: [...new Set(urls.map(printUrl))],
    traits: { fencing: "none" },
    steps: [],
    checks: [httpCheck],
    // Every request is a connection of its own, as a new visitor makes one: nothing to hold.
    connect: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    live: () => Promise.resolve([]),
    plan: (_request, { release }) => Promise.resolve(planChecks(checks, release)),
    ...(watch === undefined ? {} : { watch: (ctx) => watchUrl(watch, ctx) }),
    async *doctor({ signal }) {
      for (const { url, timeoutMs } of checks) {
        const reply = await send({ url, timeoutMs, redirects: 0, headers: {} }, signal);
        const text = `${printUrl(url)} ${"status" in reply ? `answers ${reply.status}` : reply.why}`;
        yield "status" in reply ? { level: "ok", text } : { level: "warn", text, fix: FIX };
      }
    },
  };
}

const FIX =
  "Look whether this machine can reach it; before the first deploy it may not answer yet.";
