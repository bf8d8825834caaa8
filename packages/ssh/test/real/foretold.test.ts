import { mkdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Json, LockstepError, PlannedStep } from "@lockstep/plugin";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { counted } from "../counted.ts";
import { KINDS, linkByHand, Shop, startHost, type TestHost } from "../world.ts";

const ONE = "release-1";
const TWO = "release-2";

describe.each(KINDS)("what a host said before a step asked, on %s", (kind) => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost(kind);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  /** Milliseconds on the clock: a machine that is busy makes nothing old. */
  let now = 0;
  beforeEach(() => {
    now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** A release that is live, another one that is planned and fenced, and what the steps then wait for. */
  async function planned(): Promise<{
    readonly shop: Shop;
    readonly upload: PlannedStep;
    readonly activate: PlannedStep;
    readonly inspect: (step: PlannedStep) => Promise<Json>;
    readonly trips: () => number;
  }> {
    const shop = await Shop.open(host);
    await shop.deploy(ONE, { "index.html": "one" });
    await shop.build({ "index.html": "two" });
    const connection = counted(shop.connection);
    const ctx = shop.context({ connection });
    const request = { kind: "deploy", release: { id: TWO, createdAt: "" } } as const;
    const { steps } = await shop.target.plan(request, { ...ctx, outputs: () => undefined });
    const [upload, activate] = steps;
    if (upload === undefined || activate === undefined) throw new Error("nothing is planned");
    await shop.fence({ connection });
    const inspect = async (step: PlannedStep): Promise<Json> =>
      shop.handlerOf(step).inspect(step.input, ctx);
    return { shop, upload, activate, inspect, trips: () => connection.roundTrips };
  }

  const failureOf = async (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => undefined,
      (error: LockstepError) => error.code,
    );

  it("counts once: the next look asks the host", async () => {
    const { shop, upload, inspect, trips } = await planned();
    await using _ = shop;
    const before = trips();

    const looks = [await inspect(upload), await inspect(upload)];

    expect(looks).toEqual([null, null]);
    expect(trips() - before).toBe(1);
  });

  it("counts for a second", async () => {
    const { shop, upload, inspect, trips } = await planned();
    await using _ = shop;
    now += 1001;
    const before = trips();

    expect(await inspect(upload)).toBeNull();
    expect(trips() - before).toBe(1);
  });

  it("does not count for another step than the next one on the host", async () => {
    const { shop, upload, activate, inspect, trips } = await planned();
    await using _ = shop;
    const before = trips();

    expect(await inspect(activate)).toEqual({ previous: `releases/${ONE}` });
    expect(await inspect(upload)).toBeNull();
    expect(trips() - before).toBe(2);
  });

  it("is compared again before a release is made", async () => {
    const { shop, upload, inspect } = await planned();
    await using _ = shop;
    const meta = join(shop.path, ".lockstep/meta", TWO);
    await mkdir(meta);
    for (const [name, text] of [
      ["state", "staging"],
      ["run", "another-run"],
      ["digest", "sha256:00"],
    ] as const) {
      await writeFile(join(meta, name), `${text}\n`);
    }

    const before = await inspect(upload);
    const apply = shop.handlerOf(upload).apply(upload.input, before, shop.context());

    expect(before).toBeNull();
    expect(await failureOf(apply)).toBe("STEP_CONFLICT");
  });

  it("is compared again before the link is moved", async () => {
    const { shop, upload, activate, inspect, trips } = await planned();
    await using _ = shop;
    const ctx = shop.context();
    await shop.handlerOf(upload).apply(upload.input, await inspect(upload), ctx);
    await linkByHand(shop);
    const asked = trips();

    // the hosts of the test's own connection are others than those that are counted
    const before = await shop.handlerOf(activate).inspect(activate.input, ctx);
    const apply = shop.handlerOf(activate).apply(activate.input, before, ctx);

    expect(before).toEqual({ previous: `releases/${ONE}` });
    expect(await failureOf(apply)).toBe("STEP_CONFLICT");
    expect(trips()).toBe(asked);
    expect(await readlink(join(shop.path, "current"))).toBe("by-hand");
  });
});
