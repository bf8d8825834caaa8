import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newShop, type Shop } from "./shop.ts";

const PRODUCTION = ["-e", "production"];
const DEPLOY = ["deploy", "-y", ...PRODUCTION];

/** Somebody changes what web-2 serves, and leaves its pointer as it is. */
async function editBehind({ folder }: Shop): Promise<void> {
  const file = join(folder, "world.json");
  const world = JSON.parse(await readFile(file, "utf8")) as {
    readonly units: Record<string, { live: { release: string; content: string } }>;
  };
  const unit = world.units["web-2"];
  if (unit !== undefined) unit.live.content = "fixed by hand";
  await writeFile(file, JSON.stringify(world));
}

describe("doctor", () => {
  it("shows what every unit of every target found, and counts", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", DEPLOY);

    const { exit, out, err } = await shop.lockstep("one", ["doctor", ...PRODUCTION]);

    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(out.split("\n")).toEqual([
      expect.stringMatching(/^store .*\.lockstep$/),
      "  ✔ can be read",
      "web web-1",
      "  ✔ releases: 1",
      "web web-2",
      "  ✔ releases: 1",
      "3 things in order, 0 warnings, 0 problems.",
      "",
    ]);
  });

  it("ends with 21 when a target cannot look, and still shows the others as data", async () => {
    const shop = await newShop("undiagnosed");

    const words = ["doctor", ...PRODUCTION, "--output", "json"];
    const { exit, out, err } = await shop.lockstep("undiagnosed", words);

    expect(exit).toBe(21);
    expect(JSON.parse(out)).toMatchObject({
      findings: [{ level: "ok" }, { target: "web", unit: "web-1", level: "ok" }],
      diagnostics: [{ severity: "error", target: "web" }],
    });
    expect(err).toContain("no doctor in the house");
  });
});

describe("status --deep", () => {
  it("finds what was changed behind a pointer that is as it was", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", DEPLOY);
    await editBehind(shop);

    const words = ["status", ...PRODUCTION, "--deep", "--detailed-exit-code"];
    const { exit, out } = await shop.lockstep("one", words);

    expect(exit).toBe(41);
    expect(out).toContain("web web-2\n  ✖ serves fixed by hand, and ");
    expect(out).toContain("→ Deploy again.");
    expect(out).toContain("1 thing in order, 0 warnings, 1 problem.");
  });

  it("is in the JSON only when it was asked for", async () => {
    const shop = await newShop("one");
    await shop.lockstep("one", DEPLOY);

    const status = ["status", ...PRODUCTION, "--output", "json"];
    const plain = await shop.lockstep("one", status);
    const deep = await shop.lockstep("one", [...status, "--deep"]);

    expect(JSON.parse(plain.out)).not.toHaveProperty("audit");
    expect(JSON.parse(deep.out)).toMatchObject({
      audit: { findings: [{ level: "ok" }, { level: "ok" }], diagnostics: [] },
    });
  });
});
