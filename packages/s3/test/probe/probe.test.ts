import { type S3Fault, type S3Quirks, startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import type { Capabilities } from "../../src/probe/capabilities.ts";
import { probeIn } from "./probe-in.ts";

const ALL: Capabilities = {
  create: "obeyed",
  replace: "obeyed",
  etags: "quoted",
  remove: "obeyed",
  copy: "obeyed",
};

const SERVERS: readonly (readonly [string, S3Quirks, Capabilities])[] = [
  ["does everything", {}, ALL],
  ["knows ETags without quotes", { unquotedIfMatch: true }, { ...ALL, etags: "unquoted" }],
  [
    "obeys conditions only of PUT",
    { conditionsOnlyOnPut: true },
    { ...ALL, remove: "ignored", copy: "ignored" },
  ],
  [
    "ignores conditions",
    { ignoresConditions: true },
    {
      ...ALL,
      create: "ignored",
      replace: "ignored",
      remove: "ignored",
      copy: "ignored",
    },
  ],
];

describe("a probe", () => {
  it.each(SERVERS)("finds out that a server %s", async (_what, quirks, wanted) => {
    await using server = await startSandboxS3({ buckets: ["state"], quirks });

    expect(await probeIn(server, "state")).toEqual(wanted);
  });

  it("leaves nothing but its verdict, and asks no second time", async () => {
    await using server = await startSandboxS3({ buckets: ["state"] });

    await probeIn(server, "state");
    const first = server.requests.length;
    const again = await probeIn(server, "state");

    expect([...(server.buckets.get("state") ?? new Map()).keys()]).toEqual(["at/.capabilities"]);
    expect(again).toEqual(ALL);
    expect(server.requests.length - first).toBe(1);
  });

  it("asks a server that ignores conditions every time", async () => {
    await using server = await startSandboxS3({
      buckets: ["state"],
      quirks: { ignoresConditions: true },
    });
    await probeIn(server, "state");

    expect([...(server.buckets.get("state") ?? new Map()).keys()]).toEqual([]);
  });

  it("takes a verdict of before, which lacks an answer or tried less, for none", async () => {
    await using server = await startSandboxS3({ buckets: ["state"] });
    await probeIn(server, "state");
    const kept = server.buckets.get("state")?.get("at/.capabilities");
    const text = Buffer.from(kept?.body ?? "").toString();
    const before = [
      text.replace(/,"copy":"obeyed"/, ""),
      text.replace(/"version":2/, '"version":1'),
    ];

    for (const one of before) {
      if (kept === undefined || one === text) throw new Error("nothing was kept");
      server.buckets.get("state")?.set("at/.capabilities", { ...kept, body: Buffer.from(one) });
      const first = server.requests.length;

      expect(await probeIn(server, "state")).toEqual(ALL);
      expect(server.requests.length - first).toBeGreaterThan(1);
    }
  });

  it("takes no verdict of another server, and none that is damaged", async () => {
    await using first = await startSandboxS3({ buckets: ["state"] });
    await using moved = await startSandboxS3({
      buckets: ["state"],
      quirks: { ignoresConditions: true },
    });
    await probeIn(first, "state");
    const kept = first.buckets.get("state")?.get("at/.capabilities");
    if (kept === undefined) throw new Error("nothing was kept");
    moved.buckets.get("state")?.set("at/.capabilities", kept);

    expect(await probeIn(moved, "state")).toMatchObject({ create: "ignored" });

    first.buckets.get("state")?.set("at/.capabilities", { ...kept, body: Buffer.from("{") });
    expect(await probeIn(first, "state")).toEqual(ALL);
  });

  const POINTS = Array.from({ length: 15 }, (_, at) => at + 1);

  it.each(POINTS)("comes to the same verdict when answer %i is lost", async (at) => {
    let left = at;
    const fault = (): S3Fault | undefined => ((left -= 1) === 0 ? "lost-reply" : undefined);
    await using server = await startSandboxS3({ buckets: ["state"], fault });

    expect(await probeIn(server, "state")).toEqual(ALL);
  });

  it("says why a server cannot be asked", async () => {
    await using server = await startSandboxS3({ buckets: ["other"] });

    await expect(probeIn(server, "state")).rejects.toMatchObject({ code: "S3_BUCKET_MISSING" });
  });
});
