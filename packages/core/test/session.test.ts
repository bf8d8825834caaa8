import { checkConfig } from "@lockstep/config";
import { createEvents } from "@lockstep/events";
import { createRedactor } from "@lockstep/events";
import { type Event } from "@lockstep/events";
import {
  API_VERSION,
  type Json,
  planned,
  type PlannedStep,
  type ReadContext,
  secret,
  type Step,
  type Target,
  type WriteContext,
} from "@lockstep/plugin";
import { realSurroundings } from "@lockstep/state";
import { MemoryStore } from "@lockstep/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { deploy, type Outcome } from "../src/index.ts";

const CANARY = "c4nary-value-0123456789";

type Apply = (ctx: WriteContext<AsyncDisposable>) => Promise<Json>;

let store: MemoryStore;
let events: Event[];

beforeEach(() => {
  store = new MemoryStore();
  events = [];
});

/** Deploys to a target of one activate step that does what the test says. */
async function deployed(
  apply: Apply,
  more: Partial<Target> = {},
  timeoutMs?: number,
  further: readonly PlannedStep[] = [],
): Promise<Outcome> {
  const step: Step<null, null, Json, AsyncDisposable> = {
    kind: "one.apply/1",
    describe: () => "do it",
    inspect: async () => null,
    apply: (_, before, ctx) => apply(ctx),
    revert: async () => "untouched",
  };
  const input = { id: "apply", phase: "activate", input: null } as const;
  const target: Target = {
    "~lockstep": { api: API_VERSION, plugin: "one", version: "1.0.0" },
    places: ["one://"],
    traits: { fencing: "none" },
    steps: [step],
    connect: async () => ({ [Symbol.asyncDispose]: async () => {} }),
    live: async () => [{ ref: "old", kept: [] }],
    plan: async () => ({
      changes: [],
      unchanged: 0,
      steps: [planned(step, timeoutMs === undefined ? input : { ...input, timeoutMs }), ...further],
      basedOn: null,
      undo: "",
    }),
    ...more,
  };
  const config = await checkConfig(
    { project: "shop", environments: { production: { targets: { api: target }, store } } },
    { file: "lockstep.config.ts", folder: "/", ci: false },
  );
  return deploy({
    config,
    environment: "production",
    surroundings: realSurroundings({ TOKEN: CANARY }, { user: "ada", machine: "desk" }),
    sinks: [(event) => events.push(event)],
    stop: new AbortController().signal,
    onStop: "roll-back",
    release: { id: "r1", createdAt: "2026-11-21T00:00:00Z" },
  });
}

function everythingWritten(): string {
  const stored = [...store.values.values()].map(({ body }) => Buffer.from(body).toString());
  return [...stored, ...events.map((event) => JSON.stringify(event))].join("\n");
}

describe("a call to a target", () => {
  it("leaves no secret in events, journal or outcome, whatever the plugin does with it", async () => {
    const outcome = await deployed(async (ctx) => {
      const value = await ctx.secret(secret("TOKEN"));
      ctx.log(`token=${value.slice(0, 9)}`);
      ctx.log(`${value.slice(9)}\n`);
      ctx.log(Buffer.from(`user:${value}`).toString("base64"));
      ctx.mask("session-key-0815");
      throw new Error(`login with ${value} and session-key-0815 failed`);
    });

    const written = everythingWritten() + JSON.stringify(outcome);
    expect(outcome.diagnostics[0]?.message).toBe("login with [secret] and [secret] failed");
    expect(written).not.toContain(CANARY);
    expect(written).not.toContain(Buffer.from(CANARY).toString("base64").slice(4, 20));
    expect(written).not.toContain("session-key-0815");
    expect(written).toContain("token=");
  });

  it("leaves no secret of a check's answer in journal, events or outcome", async () => {
    const check = {
      kind: "one.check/1",
      describe: () => "look",
      check: async (_: Json, ctx: ReadContext<AsyncDisposable>) => {
        const found = `answered ${await ctx.secret(secret("TOKEN"))}`;
        return { status: "fail" as const, wanted: "200", found };
      },
    };
    const outcome = await deployed(async () => null, { checks: [check] }, undefined, [
      { id: "check", kind: "one.check/1", phase: "verify", input: null },
    ]);

    const written = everythingWritten() + JSON.stringify(outcome);
    expect(outcome.diagnostics[0]?.message).toBe("look: wanted 200, found answered [secret].");
    expect(written).not.toContain(CANARY);
  });

  it("says on which target, and in which step, it failed", async () => {
    const outcome = await deployed(async () => {
      throw new TypeError("x is not a function");
    });

    expect(outcome.diagnostics[0]).toMatchObject({
      code: "UNEXPECTED",
      target: "api",
      step: "apply",
    });
  });

  it("is given up when it ignores both its time and its signal", async () => {
    const begun = performance.now();

    const outcome = await deployed(() => new Promise(() => {}), {}, 100);

    expect(outcome.diagnostics[0]).toMatchObject({ code: "STEP_TIMED_OUT", target: "api" });
    expect(performance.now() - begun).toBeLessThan(4000);
  });

  it("is told when its time is over", async () => {
    let told = false;

    await deployed(
      (ctx) =>
        new Promise((_, reject) => {
          ctx.signal.addEventListener("abort", () => {
            told = true;
            reject(ctx.signal.reason as Error);
          });
        }),
      {},
      50,
    );

    expect(told).toBe(true);
  });

  it("may remember how far it is, durably", async () => {
    await deployed(async ({ checkpoint }) => {
      await checkpoint.save({ part: 7 });
      return checkpoint.last ?? null;
    });

    expect(everythingWritten()).toContain('"value":{"part":7}');
  });
});

describe("a watch", () => {
  it("counts what users would have seen from barrier to decision, and decides nothing", async () => {
    let requests = 0;

    const outcome = await deployed(
      async () => {
        await expect.poll(() => requests, { interval: 2 }).toBeGreaterThan(4);
        return null;
      },
      {
        async *watch({ signal }) {
          while (!signal.aborted) {
            await new Promise((resolve) => setTimeout(resolve, 2));
            requests += 1;
            yield { ok: requests % 2 === 0, ms: 3 };
          }
        },
      },
    );

    const [counted] = events.flatMap((event) => (event.type === "watch.finished" ? [event] : []));
    expect(outcome.result).toBe("done");
    expect(counted).toMatchObject({ target: "api", slowestMs: 3 });
    expect(counted?.requests).toBeGreaterThan(3);
    expect(counted?.failed).toBe(Math.ceil((counted?.requests ?? 0) / 2));
  });

  it("that breaks is no reason to fail", async () => {
    const outcome = await deployed(async () => null, {
      // oxlint-disable-next-line require-yield
      async *watch() {
        throw new Error("no network");
      },
    });

    expect(outcome.result).toBe("done");
  });
});

describe("events", () => {
  it("are numbered without gaps, from the plan to the end", async () => {
    const outcome = await deployed(async () => null);
    const types = events.map(({ type }) => type);

    expect(outcome.result).toBe("done");
    expect(types[0]).toBe("plan.finished");
    expect(types.at(-1)).toBe("run.finished");
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index));
  });
});

describe("a sink that throws", () => {
  it("is dropped, and the others go on", () => {
    const seen: string[] = [];
    const broken = (): void => {
      throw new Error("disk full");
    };
    const stream = createEvents([broken, ({ type }) => seen.push(type)], createRedactor(), () => 0);

    stream.emit({ type: "barrier" });
    stream.emit({ type: "barrier" });

    expect(seen).toEqual(["barrier", "barrier"]);
  });
});
