import { canonicalJson, isTarget, type PlanRequest, secret } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { http } from "../src/index.ts";
import { context, RELEASE } from "./support.ts";

const target = http({
  checks: [
    {
      url: "https://shop.example/{release}/health?token=hunter22",
      body: "running {release}",
      json: { releases: ["{release}"] },
      headers: { "x-release": "{release}" },
      send: { authorization: secret("SHOP_TOKEN"), "x-probe": "lockstep" },
      until: { successes: 3 },
    },
    { url: "https://shop.example/", status: 301, redirects: 0, timeoutMs: 500 },
  ],
});

const DEPLOY: PlanRequest = { kind: "deploy", release: RELEASE };

describe("the plan of an http target", () => {
  it("holds one verify step per check, with the release filled in", async () => {
    const { steps } = await target.plan(DEPLOY, context());

    expect(steps).toEqual([
      {
        id: "check:1",
        kind: "http.check/1",
        phase: "verify",
        input: {
          url: `https://shop.example/${RELEASE.id}/health?token=hunter22`,
          body: `running ${RELEASE.id}`,
          json: { releases: [RELEASE.id] },
          headers: { "x-release": RELEASE.id },
          send: { authorization: { env: "SHOP_TOKEN" }, "x-probe": "lockstep" },
          redirects: 0,
          timeoutMs: 10_000,
        },
        until: { successes: 3, intervalMs: 1000, deadlineMs: 30_000 },
      },
      {
        id: "check:2",
        kind: "http.check/1",
        phase: "verify",
        input: {
          url: "https://shop.example/",
          status: 301,
          send: {},
          redirects: 0,
          timeoutMs: 500,
        },
        until: { successes: 2, intervalMs: 1000, deadlineMs: 30_000 },
      },
    ]);
  });

  it("changes nothing and has nothing to undo", async () => {
    const { changes, unchanged, undo } = await target.plan(DEPLOY, context());

    expect({ changes, unchanged, undo }).toEqual({
      changes: [],
      unchanged: 0,
      undo: "Nothing to undo: it only looks, and only when another target changes.",
    });
  });

  it("is the same when a release is made live again", async () => {
    const deploy = await target.plan(DEPLOY, context());
    const back = await target.plan({ kind: "return", refs: [] }, context());

    expect(back).toEqual(deploy);
  });

  it("has the same bytes for the same facts", async () => {
    const texts = await Promise.all(
      [1, 2].map(async () => canonicalJson((await target.plan(DEPLOY, context())).steps as never)),
    );

    expect(texts[0]).toBe(texts[1]);
  });

  it("is told in one line per check, without the values of the query", async () => {
    const { steps } = await target.plan(DEPLOY, context());
    const lines = steps.map(({ input }) => target.checks?.[0]?.describe(input));

    expect(lines).toEqual([
      `get https://shop.example/${RELEASE.id}/health?token=…: status 2xx, x-release: ${RELEASE.id}, ` +
        `body with "running ${RELEASE.id}", JSON with {"releases":["${RELEASE.id}"]}`,
      "get https://shop.example/: status 301",
    ]);
  });
});

describe("an http target", () => {
  it("is a target without pointer, steps or fence", async () => {
    await using connection = await target.connect(context());

    expect(isTarget(target)).toBe(true);
    expect(await target.live({ ...context(), connection })).toEqual([]);
    expect(target.steps).toEqual([]);
    expect(target.traits).toEqual({ fencing: "none" });
    expect(target.fence).toBeUndefined();
    expect(target.watch).toBeUndefined();
  });
});
