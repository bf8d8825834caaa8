import type { S3Fault, S3Request } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { Rig, type RigOptions } from "./rig.ts";
import { filesOf, scriptOf } from "./world.ts";

/** Somebody edits an object while the request that was to change it is on its way. */
async function editedLate(
  options: RigOptions,
  { method, key }: Pick<S3Request, "method" | "key">,
): Promise<{ readonly rig: Rig; arm(): void }> {
  let isArmed = false;
  const fault = (request: S3Request): S3Fault | undefined => {
    const isMeant = isArmed && request.method === method && request.key === key;
    if (!isMeant) return undefined;
    isArmed = false;
    rig.edit(key, "hot fix");
    return undefined;
  };
  const rig: Rig = await Rig.open({ ...options, server: { ...options.server, fault } });
  await rig.deploy(filesOf("one"));
  return {
    rig,
    arm() {
      isArmed = true;
    },
  };
}

/** Version two, staged. */
async function stagedTwo(rig: Rig): ReturnType<Rig["plan"]> {
  await rig.folder.build(filesOf("two"));
  const plan = await rig.plan();
  await rig.fence();
  await rig.apply(plan, "stage");
  return plan;
}

describe("an object that somebody edits between the look at it and its change", () => {
  it.each([
    ["a page that is replaced", { method: "PUT", key: "about/index.html" }],
    ["a page that was not there", { method: "PUT", key: "new.html" }],
    ["a page that is removed", { method: "DELETE", key: "old.html" }],
  ])("stays: %s, and the release is put back around it", async (_name, request) => {
    const { rig, arm } = await editedLate({}, request);
    await using _ = rig;
    const plan = await stagedTwo(rig);
    const [step] = plan.steps.filter(({ phase }) => phase === "activate");
    const activate = rig.target.steps.find(({ kind }) => kind === step?.kind);
    const before = (await activate?.inspect(step?.input ?? null, rig.context())) ?? null;
    arm();

    const applied = activate?.apply(step?.input ?? null, before, rig.context());
    await expect(applied).rejects.toMatchObject({
      code: "STEP_CONFLICT",
      message: expect.stringContaining(request.key),
    });
    const said = await activate?.revert?.(step?.input ?? null, before, rig.context());

    expect(said).toBe("conflict");
    expect(rig.text(request.key)).toBe("hot fix");
    expect(rig.text("index.html")).toContain("Welcome one");
    expect(rig.text("style.css")).toContain("one");
  });

  it("stays on the way back, too, while everything else is put back", async () => {
    const { rig, arm } = await editedLate({}, { method: "PUT", key: "about/index.html" });
    await using _ = rig;
    const plan = await stagedTwo(rig);
    const done = await rig.apply(plan, "activate");
    arm();

    expect(await rig.revert(done)).toEqual(["conflict"]);

    expect(rig.text("about/index.html")).toBe("hot fix");
    expect(rig.text("index.html")).toContain("Welcome one");
    expect((await rig.live()).ref).toMatchObject({ from: expect.any(String) });
  });

  it("stays when its release is retired", async () => {
    const key = scriptOf(`console.log("one")`);
    const { rig, arm } = await editedLate(
      { keep: { releases: 2, days: 0 } },
      { method: "DELETE", key },
    );
    await using _ = rig;
    arm();
    rig.now += 86_400_000;

    await rig.deploy(filesOf("two"));
    await rig.deploy(filesOf("three"));

    expect(rig.text(key)).toBe("hot fix");
    expect(rig.lines.join("")).toContain(`${key} is not what Lockstep put there: it stays.`);
  });

  it("is not kept as what was live before it", async () => {
    const key = scriptOf(`console.log("one")`);
    let isArmed = false;
    const fault = (request: S3Request): S3Fault | undefined => {
      if (!isArmed || request.method !== "PUT" || !request.key.includes("blobs/")) return undefined;
      isArmed = false;
      rig.edit(key, "hot fix");
      return undefined;
    };
    const rig: Rig = await Rig.open({ server: { fault } });
    await using _ = rig;
    await rig.deploy(filesOf("one"));
    // an asset that keeps its name with other bytes is where rolling back would find it only
    await rig.folder.build({ ...filesOf("one"), [key]: "other bytes" });
    const plan = await rig.plan();
    await rig.fence();
    isArmed = true;

    await expect(rig.apply(plan, "stage")).rejects.toMatchObject({ code: "S3_FOREIGN" });

    expect(rig.text(key)).toBe("hot fix");
    const kept = [...rig.objects].filter(([name]) => name.includes("blobs/"));
    expect(kept.map(([, { body }]) => Buffer.from(body).toString())).not.toContain("hot fix");
  });

  it("is replaced on a server that keeps only the conditions of uploads", async () => {
    const request = { method: "PUT", key: "about/index.html" };
    const { rig, arm } = await editedLate(
      { server: { quirks: { conditionsOnlyOnPut: true } } },
      request,
    );
    await using _ = rig;
    const plan = await stagedTwo(rig);
    arm();

    await rig.apply(plan, "activate");

    expect(rig.text("about/index.html")).toContain("About two");
  });

  it("is known where the server names ETags without quotes", async () => {
    await using rig = await Rig.open({ server: { quirks: { unquotedIfMatch: true } } });
    await rig.deploy(filesOf("one"));

    await rig.deploy(filesOf("two"));

    expect(rig.text("index.html")).toContain("Welcome two");
    expect(rig.text("old.html")).toBeUndefined();
  });

  it("is told from a copy or a removal of our own, whose answer was lost", async () => {
    const lost = new Set<string>();
    const fault = ({ method, key }: S3Request): S3Fault | undefined => {
      const isMeant = ["about/index.html", "new.html", "old.html"].includes(key);
      if (!isMeant || method === "HEAD" || lost.has(`${method} ${key}`)) return undefined;
      lost.add(`${method} ${key}`);
      return "lost-reply";
    };
    await using rig = await Rig.open({
      server: { fault, quirks: { missingIsRefused: true } },
      limits: { backoffMs: 1 },
    });
    await rig.deploy(filesOf("one"));
    lost.clear();

    await rig.deploy(filesOf("two"));

    expect([...lost].toSorted()).toEqual([
      "DELETE old.html",
      "PUT about/index.html",
      "PUT new.html",
    ]);
    expect(rig.text("about/index.html")).toContain("About two");
    expect(rig.text("old.html")).toBeUndefined();
  });
});
