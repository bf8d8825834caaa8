import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "@lockstep/plugin";
import { describeStepContract, describeTargetContract, type StepCase } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import type { SshConnection } from "../src/index.ts";
import { KINDS, linkByHand, Shop, startHost, stateOf, type TestHost } from "./world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";

const OWN_NAMES = "a release has a folder of its own, which nobody else writes to";

/** The library everywhere, the ssh program on what is no sandbox. */
const WAYS = [
  ...KINDS.map((kind) => ({ kind, transport: "ssh2" as const })),
  ...KINDS.filter((kind) => kind !== "sandbox").map((kind) => ({
    kind,
    transport: "openssh" as const,
  })),
];

describe.concurrent.each(WAYS)("on $kind, over $transport", { timeout: 120_000 }, (way) => {
  const { kind, transport } = way;
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost(kind);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  describeStepContract("ssh.upload", () => stepCase("ssh.upload/1"));
  describeStepContract("ssh.activate", () => stepCase("ssh.activate/1"));

  describeTargetContract("ssh", async () => {
    const shop = await Shop.open(host, {
      transport,
      restart: ["sh", "-c", "cp index.html ../../restarted"],
      env: { TOKEN: "not a secret" },
      checks: [{ command: ["test", "-f", "index.html"] }],
    });
    return {
      target: shop.target,
      folder: shop.folder,
      build: (version) => shop.build({ "index.html": version, "assets/app.js": `// ${version}` }),
      // by what users get: the same content may come back under another name
      observe: () => filesOf(shop),
      foreignEdit: () => linkByHand(shop),
      dispose: () => shop[Symbol.asyncDispose](),
    };
  });

  /** The step of a plan for a second release, where a first one is live. */
  async function stepCase(kindOfStep: string): Promise<StepCase<Json, Json, Json, SshConnection>> {
    const shop = await Shop.open(host, {
      transport,
      restart: ["cp", "index.html", "../../restarted"],
    });
    await shop.deploy(ONE, { "index.html": "one" });
    await shop.build({ "index.html": "two" });
    const steps = await shop.plan(TWO);
    const step = steps.find(({ kind: planned }) => planned === kindOfStep);
    const isActivate = kindOfStep === "ssh.activate/1";
    if (step === undefined) throw new Error(`no ${kindOfStep}`);
    if (isActivate) for (const before of steps.slice(0, 1)) await shop.apply(before);
    return {
      handler: shop.handlerOf(step),
      connection: shop.connection,
      input: step.input,
      context: shop.context(),
      snapshot: async () => ({
        observed: await shop.observe(),
        releases: await readdir(join(shop.path, "releases")),
        states: [await stateOf(shop.path, ONE), await stateOf(shop.path, TWO)],
        kept: await keptOf(shop),
      }),
      foreignEdit: isActivate ? () => linkByHand(shop) : OWN_NAMES,
      dispose: () => shop[Symbol.asyncDispose](),
    };
  }
});

async function filesOf(shop: Shop): Promise<unknown> {
  const seen = (await shop.observe()) as { readonly files: unknown } | null;
  return seen?.files ?? null;
}

/** The releases one could return to; none can be told while the link leads somewhere else. */
async function keptOf(shop: Shop): Promise<unknown> {
  const link = await readlink(join(shop.path, "current"));
  if (link.includes("by-hand")) return "unknown";
  return (await shop.target.live(shop.context()))[0]?.kept;
}
