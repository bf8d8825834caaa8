import type { Stamp } from "@lockstep/plugin";
import { MemoryStore } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { leftBy, readLease } from "../src/lease.ts";
import { raiseAbove } from "../src/lineage.ts";
import { type LeaseRequest, takeLease } from "../src/take-lease.ts";
import { fastSurroundings } from "./fixtures.ts";

/** A store that cannot see processes, as a bucket cannot. */
function bucket(ttlMs: number): MemoryStore {
  const store = new MemoryStore({ ttlMs });
  store.presence.look = async () => "unknown";
  return store;
}

function request(store: MemoryStore, name: string, more: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    store,
    environment: "production",
    surroundings: fastSurroundings(name),
    ...more,
  };
}

function stamped(epoch: number): Stamp {
  return { lineage: "restored", epoch, run: `production-${epoch}` };
}

describe("a lease", () => {
  it("counts epochs up, above the store's own and above what targets carry, and never back", async () => {
    const store = new MemoryStore();
    const first = await takeLease(request(store, "ada"));
    await first.release({ open: false });
    const second = await takeLease(request(store, "ada"));
    await raiseAbove(second, {
      web: [
        { ref: "a", kept: [], stamp: stamped(41) },
        { ref: null, kept: [] },
      ],
    });
    await raiseAbove(second, { web: [{ ref: "a", kept: [], stamp: stamped(41) }] });
    await second.release({ open: false });
    const third = await takeLease(request(store, "ada"));

    expect([first.epoch, second.epoch, third.epoch]).toEqual([1, 42, 43]);
    expect(third.run).toMatch(/^production-000043-[0-9a-f]{8}$/);
    third.abandon();
  });

  it("is refused while a holder renews it, and the refusal names the holder", async () => {
    const store = new MemoryStore({ ttlMs: 2000 });
    const held = await takeLease(request(store, "ada"));

    await expect(takeLease(request(store, "bob"))).rejects.toMatchObject({
      code: "LEASE_HELD",
      message: expect.stringContaining("(ada on host)") as string,
    });
    held.abandon();
  });

  it("is taken at once from a holder that is proven dead", async () => {
    const store = new MemoryStore();
    (await takeLease(request(store, "ada"))).abandon();
    store.killAll();

    const taken = await takeLease(request(store, "bob", { recover: true }));

    expect(taken.epoch).toBe(2);
    taken.abandon();
  });

  it("is taken after one ttl of silence, but a run that was open stays open", async () => {
    const store = bucket(2000);
    const dead = await takeLease(request(store, "ada"));
    dead.abandon();
    const bob = fastSurroundings("bob");
    const begun = bob.clock.ms;

    await expect(takeLease(request(store, "bob", { surroundings: bob }))).rejects.toMatchObject({
      code: "RUN_OPEN",
    });
    expect(bob.clock.ms - begun).toBeGreaterThanOrEqual(2000);

    const taken = await takeLease(request(store, "bob", { recover: true }));
    expect([taken.run, taken.epoch]).toEqual([dead.run, 2]);
    await expect(dead.release({ open: false })).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(dead.lost.aborted).toBe(true);
    taken.abandon();
  });

  it("is waited for twice as long when a target cannot refuse an old run", async () => {
    const store = bucket(2000);
    (await takeLease(request(store, "ada"))).abandon();
    const bob = fastSurroundings("bob");
    const begun = bob.clock.ms;

    const taken = await takeLease(
      request(store, "bob", { surroundings: bob, recover: true, patient: true }),
    );

    expect(bob.clock.ms - begun).toBeGreaterThanOrEqual(4000);
    taken.abandon();
  });

  it("is free at once when it was released, and parked runs stay open", async () => {
    const store = new MemoryStore();
    const parked = await takeLease(request(store, "ada"));
    await parked.release({ open: true });

    await expect(takeLease(request(store, "bob"))).rejects.toMatchObject({ code: "RUN_OPEN" });
    const recovered = await takeLease(request(store, "bob", { recover: true }));
    await recovered.release({ open: false });
    const next = await takeLease(request(store, "bob"));

    expect(next.epoch).toBe(3);
    expect(next.run).not.toBe(parked.run);
    next.abandon();
  });

  it("goes to one of many that want it at the same time", async () => {
    const store = new MemoryStore();

    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => takeLease(request(store, `w${index}`))),
    );

    const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(won).toHaveLength(1);
    won[0]?.abandon();
  });

  it("is renewed before a visible write once half its time is over", async () => {
    const store = new MemoryStore({ ttlMs: 60_000 });
    const surroundings = { ...fastSurroundings("ada"), sleep: () => new Promise<void>(() => {}) };
    const lease = await takeLease(request(store, "ada", { surroundings }));
    const before = (await readLease(store, "production"))?.tag;

    await lease.ensureFresh();
    expect((await readLease(store, "production"))?.tag).toBe(before);

    surroundings.clock.ms += 31_000;
    await lease.ensureFresh();
    expect((await readLease(store, "production"))?.tag).not.toBe(before);
  });

  it("is noticed as lost before a visible write when another took it", async () => {
    const store = bucket(2000);
    const surroundings = { ...fastSurroundings("ada"), sleep: () => new Promise<void>(() => {}) };
    const old = await takeLease(request(store, "ada", { surroundings }));
    (await takeLease(request(store, "bob", { recover: true }))).abandon();

    surroundings.clock.ms += 1500;

    await expect(old.ensureFresh()).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  it("that is gone from its store, or older than it was, was taken by nobody: the store is lost", async () => {
    const store = bucket(2000);
    const surroundings = { ...fastSurroundings("ada"), sleep: () => new Promise<void>(() => {}) };
    const lease = await takeLease(request(store, "ada", { surroundings }));
    const first = store.values.get("leases/production");
    surroundings.clock.ms += 1500;
    await lease.ensureFresh();
    surroundings.clock.ms += 1500;

    store.values.delete("leases/production");
    await expect(lease.ensureFresh()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    if (first !== undefined) store.values.set("leases/production", first);
    await expect(lease.ensureFresh()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    expect(lease.lost.aborted).toBe(false);
  });

  it("is held although the reply to its own write was lost and the retry was refused", async () => {
    const store = new MemoryStore();
    const real = store.create.bind(store);
    store.create = async (key, body) => {
      await real(key, body);
      return real(key, body);
    };

    const lease = await takeLease(request(store, "ada"));

    expect(lease.epoch).toBe(1);
    lease.abandon();
  });

  it("does not take a run for left whose holder ended well between two looks", async () => {
    const store = new MemoryStore();
    const holder = await takeLease(request(store, "ada"));
    const endsWell = async (): Promise<"gone"> => {
      await holder.release({ open: false });
      return "gone";
    };
    store.presence.look = endsWell;

    expect(await leftBy(store, "production")).toBeUndefined();
    const late = await takeLease(request(store, "bob"));
    store.presence.look = async () => {
      await late.release({ open: false });
      return "gone";
    };
    const next = await takeLease(request(store, "eve"));

    expect(next.epoch).toBe(3);
    next.abandon();
  });
});
