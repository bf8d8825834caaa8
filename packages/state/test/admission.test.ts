import { MemoryStore } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { admit, quarantine } from "../src/admission.ts";
import { commitOf } from "./commits.ts";

const WHERE = { environment: "production", allowOlder: false };
const CREATED = "2026-11-21T00:00:00Z";

describe("a release is admitted", () => {
  it.each([
    ["newer", 21],
    ["the same", 20],
  ])("when it is %s", async (_, order) => {
    const store = new MemoryStore();
    await commitOf(store, { id: "live", createdAt: CREATED, order: 20 });

    const next = { id: "next", createdAt: CREATED, order };
    expect(await admit(next, { ...WHERE, store })).toBeUndefined();
  });

  it("when one of the two does not say how old it is", async () => {
    const store = new MemoryStore();
    await commitOf(store, { id: "live", createdAt: CREATED, order: 20 });

    const unordered = { id: "next", createdAt: CREATED };
    expect(await admit(unordered, { ...WHERE, store })).toBeUndefined();
    await commitOf(store, { id: "unordered", createdAt: CREATED }, 2);
    expect(await admit({ ...unordered, order: 1 }, { ...WHERE, store })).toBeUndefined();
  });
});

describe("a release is refused", () => {
  it("when it is older than the live one, which is named", async () => {
    const store = new MemoryStore();
    await commitOf(store, { id: "live", createdAt: CREATED, order: 20 });
    const older = { id: "old", createdAt: CREATED, order: 19 };

    await expect(admit(older, { ...WHERE, store })).rejects.toMatchObject({
      code: "NEWER_IS_LIVE",
      message: "production runs live (order 20), which is newer than old (order 19).",
    });
    await admit(older, { ...WHERE, store, allowOlder: true });
  });

  it("when it is quarantined in this environment, and says why", async () => {
    const store = new MemoryStore();
    const release = "v1";
    await quarantine(store, { environment: "production", release, why: "run x put back it." });
    await quarantine(store, { environment: "production", release, why: "said twice" });
    const wanted = { id: release, createdAt: CREATED };

    await expect(admit(wanted, { ...WHERE, store, allowOlder: true })).rejects.toMatchObject({
      code: "RELEASE_QUARANTINED",
      message: "Release v1 is not deployed to production again: run x put back it.",
    });
    await admit(wanted, { ...WHERE, store, environment: "staging" });
  });
});
