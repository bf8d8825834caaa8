import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "@lockstep/plugin";
import { describeStepContract, type StepCase } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import type { SshConnection, SshOptions } from "../src/index.ts";
import { KINDS, linkByHand, Shop, startHost, stateOf, type TestHost } from "./world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

describe.concurrent.each(KINDS)("on %s", { timeout: 120_000 }, (kind) => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost(kind);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  describeStepContract("ssh.furnish", () =>
    stepCase("ssh.furnish/1", {
      shared: { dirs: ["storage"] },
      envFile: { values: { A: "one two" } },
      prepare: ["sh", "-c", "echo x >prepared"],
    }),
  );
  describeStepContract("ssh.once", () =>
    stepCase("ssh.once/1", { once: [{ name: "migrate", run: ["true"], undo: "leave" }] }),
  );
  describeStepContract("ssh.activate with a drained host", () =>
    stepCase("ssh.activate/1", { drain: ["true"], undrain: ["true"], confirmWithinMs: 600_000 }),
  );

  /** The step of a plan for a second release, where a first one is live and all before it is done. */
  async function stepCase(
    wanted: string,
    options: Partial<SshOptions>,
  ): Promise<StepCase<Json, Json, Json, SshConnection>> {
    const shop = await Shop.open(host, options);
    await shop.deploy(ONE, { "index.html": "one" });
    await shop.build({ "index.html": "two" });
    const steps = await shop.plan(TWO);
    const step = steps.find((planned) => planned.kind === wanted);
    if (step === undefined) throw new Error(`no ${wanted}`);
    for (const before of steps.slice(0, steps.indexOf(step))) await shop.apply(before);
    return {
      handler: shop.handlerOf(step),
      connection: shop.connection,
      input: step.input,
      context: shop.context(),
      ...(step.undo === undefined ? {} : { undo: step.undo }),
      snapshot: async () => ({
        observed: await shop.observe(),
        releases: await readdir(join(shop.path, "releases")),
        state: await stateOf(shop.path, TWO),
        done: (await readdir(join(shop.path, ".lockstep/meta", TWO))).filter(
          (name) => name === "furnished" || name.startsWith("once."),
        ),
      }),
      foreignEdit:
        wanted === "ssh.activate/1"
          ? () => linkByHand(shop)
          : "nobody else writes to a release that is not live",
      dispose: () => shop[Symbol.asyncDispose](),
    };
  }
});
