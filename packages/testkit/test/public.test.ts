import { secret } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { testContext } from "../src/index.ts";

describe("the package", () => {
  it("has these public names", async () => {
    expect(Object.keys(await import("../src/index.ts"))).toMatchInlineSnapshot(`
      [
        "createAccount",
        "startSandboxKeyValues",
        "testContext",
        "startFaultProxy",
        "startSandboxRegistry",
        "startDistribution",
        "describeCrashSweep",
        "describeStoreCrashSweep",
        "describeNetworkSweep",
        "startTokenServer",
        "RegistryStore",
        "startRadosgw",
        "startSandboxS3",
        "startSandboxSsh",
        "describeOlderStep",
        "makeKeyPair",
        "startSshd",
        "sampleOf",
        "MemoryStore",
        "memoryTarget",
        "MemoryWorld",
        "describeStepContract",
        "describeStoreContract",
        "describeTargetContract",
      ]
    `);
  });
});

describe("a test context", () => {
  it("reads secrets of the variables it was given, and of no others", async () => {
    const { secret: read } = testContext(null, { env: { TOKEN: "abcdef" } });

    expect(await read(secret("TOKEN"))).toBe("abcdef");
    await expect(read(secret("HOME"))).rejects.toMatchObject({ code: "SECRET_MISSING" });
  });

  it("can be given anything else", () => {
    const stamp = { lineage: "1", epoch: 7, run: "r" };

    expect(testContext("host", { stamp, unit: "web-1" })).toMatchObject({
      connection: "host",
      stamp,
      unit: "web-1",
    });
  });
});
