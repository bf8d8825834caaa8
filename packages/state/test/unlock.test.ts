import { MemoryStore } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { readLease } from "../src/lease.ts";
import { takeLease } from "../src/take-lease.ts";
import { unlock } from "../src/unlock.ts";
import { fastSurroundings } from "./fixtures.ts";

const environment = "production";

describe("unlock", () => {
  it("raises the epoch, frees the lease, and leaves its run open", async () => {
    const store = new MemoryStore();
    const surroundings = fastSurroundings();
    const lease = await takeLease({ store, environment, surroundings });

    const taken = await unlock({ store, environment, surroundings, reason: "runner lost" });

    expect(taken).toMatchObject({ epoch: 2, released: true, open: true });
    await expect(takeLease({ store, environment, surroundings })).rejects.toMatchObject({
      code: "RUN_OPEN",
    });
    lease.abandon();
  });

  it("is noticed by a holder that lives, before its next visible write", async () => {
    const store = new MemoryStore();
    const surroundings = fastSurroundings();
    const lease = await takeLease({ store, environment, surroundings });
    await unlock({ store, environment, surroundings, reason: "by mistake" });

    surroundings.clock.ms += 30_001;

    await expect(lease.ensureFresh()).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  it("has nothing to do when the lease is free, or never was taken", async () => {
    const store = new MemoryStore();
    const surroundings = fastSurroundings();
    const request = { store, environment, surroundings, reason: "x" };

    expect(await unlock(request)).toBeUndefined();
    const lease = await takeLease({ store, environment, surroundings });
    await lease.release({ open: false });
    expect(await unlock(request)).toBeUndefined();
    expect((await readLease(store, environment))?.body.epoch).toBe(1);
  });

  it("still waits for a holder that targets cannot refuse, as long as that may write", async () => {
    const store = new MemoryStore({ ttlMs: 60_000 });
    const surroundings = fastSurroundings();
    const lease = await takeLease({ store, environment, surroundings });
    lease.abandon();
    await unlock({ store, environment, surroundings, reason: "runner lost" });
    const before = surroundings.clock.ms;

    await takeLease({
      store,
      environment,
      surroundings,
      recover: true,
      patient: true,
      waitMs: 0,
    });

    expect(surroundings.clock.ms - before).toBeGreaterThanOrEqual(60_000);
  });
});
