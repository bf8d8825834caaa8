import { LockstepError } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { createPace } from "../src/pace.ts";
import { patiently, type Patience, type Trouble } from "../src/patience.ts";

/** A request that meets one trouble after another, then is answered. */
async function meeting(
  troubles: readonly Trouble[],
  more: Partial<Patience> = {},
): Promise<{ readonly sent: number; readonly outcome: unknown; readonly limit: number }> {
  const pace = createPace({ most: 10, first: 10 });
  const patience = { pace, tries: 4, backoffMs: 1, deadlineMs: 10_000, random: () => 0.5, ...more };
  const left = [...troubles];
  let sent = 0;
  const outcome = await patiently(patience, {
    what: "PUT s3://shop/a",
    async send() {
      sent += 1;
      const trouble = left.shift();
      if (trouble !== undefined) throw Object.assign(new Error("trouble"), { trouble });
      return "answer";
    },
    judge: (error) => (error as { readonly trouble: Trouble }).trouble,
  }).catch((error: unknown) => error);
  return { sent, outcome, limit: pace.limit };
}

const busy: Trouble = { kind: "throttled" };
const lost: Trouble = { kind: "transient", reason: "ECONNRESET" };

describe("a request that is sent patiently", () => {
  it("is sent again after passing trouble, and answered", async () => {
    expect(await meeting([lost, busy, lost])).toMatchObject({ sent: 4, outcome: "answer" });
  });

  it("makes all go slower when the server is busy, and only itself wait when a connection is lost", async () => {
    expect((await meeting([busy])).limit).toBe(7);
    expect((await meeting([lost])).limit).toBe(10);
  });

  it.each<[string, Trouble, string]>([
    ["busy", busy, "S3_BUSY"],
    ["lost", lost, "S3_UNREACHABLE"],
  ])("is given up after its tries: %s", async (_name, trouble, code) => {
    const { sent, outcome } = await meeting(Array.from({ length: 9 }, () => trouble));

    expect(sent).toBe(4);
    expect(outcome).toMatchObject({ code });
  });

  it.each<[string, Trouble, string]>([
    ["the clock", { kind: "clock" }, "S3_CLOCK"],
    ["the region", { kind: "region" }, "S3_ANSWER"],
    ["the credentials", { kind: "expired", error: new Error("ended") }, ""],
  ])("is corrected once, not twice: %s", async (_name, trouble, code) => {
    expect(await meeting([trouble])).toMatchObject({ sent: 2, outcome: "answer" });
    const twice = await meeting([trouble, lost, trouble]);

    expect(twice.sent).toBe(3);
    expect(twice.outcome).toMatchObject(code === "" ? { message: "ended" } : { code });
  });

  it("ends at once with what does not pass", async () => {
    const error = new Error("denied");

    expect(await meeting([{ kind: "final", error }])).toMatchObject({ sent: 1, outcome: error });
  });

  it("passes errors that have a name already", async () => {
    const error = new LockstepError({ code: "S3_CREDENTIALS", message: "No." });
    const pace = createPace({ most: 1 });
    const patience = { pace, tries: 4, backoffMs: 1, deadlineMs: 10_000, random: () => 0 };
    let sent = 0;
    const attempt = {
      what: "PUT s3://shop/a",
      async send() {
        sent += 1;
        throw error;
      },
      judge: (): Trouble => lost,
    };

    await expect(patiently(patience, attempt)).rejects.toBe(error);
    expect(sent).toBe(1);
  });

  it("draws each pause, which may be none, however long the longest is", async () => {
    const drawn: number[] = [];
    const random = (): number => {
      drawn.push(1);
      return 0;
    };
    const began = performance.now();

    await meeting([lost, lost, lost], { backoffMs: 1_000_000, random });

    expect(drawn).toHaveLength(3);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it("is given up when the time for all tries is over", async () => {
    const { outcome } = await meeting(
      Array.from({ length: 99 }, () => lost),
      { tries: 99, backoffMs: 40, deadlineMs: 60 },
    );

    expect(outcome).toMatchObject({
      code: "S3_UNREACHABLE",
      message: expect.stringContaining("none within 0.06 s"),
    });
  });

  it("is given up with the reason of whoever gave it up", async () => {
    const stop = new AbortController();
    const pace = createPace({ most: 1 });
    const patience = { pace, tries: 4, backoffMs: 60_000, deadlineMs: 60_000, random: () => 1 };
    const sending = patiently(
      patience,
      {
        what: "PUT s3://shop/a",
        send: async () => Promise.reject(new Error("lost")),
        judge: (): Trouble => lost,
      },
      stop.signal,
    );
    setImmediate(() => stop.abort(new Error("the lease is gone")));

    await expect(sending).rejects.toThrow("the lease is gone");
  });
});
