import { chown, lchown, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "@lockstep/plugin";
import { describeOlderStep, type OlderStep } from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { type Tree, writeTree } from "./golden/tree.ts";
import { KINDS, linkByHand, Shop, startHost, stateOf, type TestHost } from "./world.ts";

/** A step as a version journaled it, and the path of the target before and after. Files that are never made again. */
interface Golden {
  readonly epoch: number;
  readonly recorded: { readonly kind: string; readonly input: Json; readonly before: Json };
  readonly before: Tree;
  readonly after: Tree;
}

const OPTIONS = {
  restart: ["cp", "index.html", "../../restarted"],
  envFile: { values: { A: "one two" } },
};

describe.each(KINDS)("on %s", (kind) => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost(kind);
  });
  afterAll(async () => host[Symbol.asyncDispose]());

  describe.each(["0.1.0"])("from version %s,", (version) => {
    for (const step of ["upload", "furnish", "activate"] as const) {
      describeOlderStep(`ssh.${step}/1`, () => found(version, step));
    }
  });

  async function found(version: string, step: string): Promise<OlderStep> {
    const shop = await Shop.open(host, OPTIONS);
    const file = join(import.meta.dirname, "golden", version, `${step}.json`);
    const text = (await readFile(file, "utf8")).replaceAll("@PATH@", shop.path);
    const { epoch, recorded, before, after } = JSON.parse(text) as Golden;
    shop.epoch = epoch;
    await shop.build({ "index.html": "two" });
    await layOut(host, shop, before);
    return {
      target: shop.target,
      connection: shop.connection,
      recorded,
      context: shop.context(),
      applied: () => layOut(host, shop, after),
      snapshot: async () => ({
        observed: await shop.observe(),
        releases: await readdir(join(shop.path, "releases")),
        state: await stateOf(shop.path, "20261121T101501Z-00000002"),
        isFurnished: (await readdir(join(shop.path, "releases"), { recursive: true })).filter(
          (name) => name.endsWith(".env"),
        ),
      }),
      foreignEdit:
        step === "activate" ? () => linkByHand(shop) : "nobody else writes to what is not live",
      dispose: () => shop[Symbol.asyncDispose](),
    };
  }
});

/** Makes the path hold that tree, as the account that deploys would have made it. */
async function layOut({ root }: TestHost, { path }: Shop, tree: Tree): Promise<void> {
  await writeTree(path, tree);
  const { uid, gid } = await stat(root);
  const below = await readdir(join(path, ".."), { recursive: true, withFileTypes: true });
  await chown(join(path, ".."), uid, gid);
  for (const { parentPath, name } of below) await lchown(join(parentPath, name), uid, gid);
}
