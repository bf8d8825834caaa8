import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { isLockstepError, LockstepError, pluginErrors, stepConflict } from "../src/index.ts";

describe("an error", () => {
  it("is recognized across two copies of the package", async () => {
    vi.resetModules();
    const copy = await import("../src/errors.ts");

    const error = copy.stepConflict("current", { wanted: "one", found: null });

    expect(error).not.toBeInstanceOf(LockstepError);
    expect(isLockstepError(error)).toBe(true);
    expect(isLockstepError(new Error("plain"))).toBe(false);
    expect(isLockstepError({ code: "STEP_CONFLICT" })).toBe(false);
  });

  it("says what was wanted and found, and prints neither its brand nor its name twice", () => {
    const error = stepConflict("/srv/shop/current", { wanted: "releases/1", found: null });

    expect(error.message).toBe("/srv/shop/current is nothing, where the run had seen releases/1.");
    expect(Object.keys(error)).not.toContain("name");
    expect(inspect(error)).toMatch(/^LockstepError: \/srv\/shop\/current is nothing/);
  });

  it("is not retryable unless it says so", () => {
    expect(new LockstepError({ code: "A", message: "b" }).retryable).toBe(false);
    expect(new LockstepError({ code: "A", message: "b", retryable: true }).retryable).toBe(true);
  });

  it("has a page for each code of this package", () => {
    for (const { when, why, fix } of Object.values(pluginErrors)) {
      for (const sentence of [when, why, fix]) expect(sentence).toMatch(/^[A-Z].*\.$/);
    }
  });
});
