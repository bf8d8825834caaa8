import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSandboxSsh } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { Shop } from "../world.ts";

/** Opens a file as fast as it can until it is told to stop; prints how often, and how often it was missing. */
const READER = `
const { openSync, closeSync } = require("node:fs");
let opened = 0, missing = 0, on = true;
process.stdin.on("data", () => { on = false; });
(function turn() {
  for (let n = 0; n < 500; n += 1) {
    try { closeSync(openSync(process.argv[1])); opened += 1; } catch { missing += 1; }
  }
  if (on) setImmediate(turn);
  else { console.log(JSON.stringify({ opened, missing })); process.exit(); }
})();`;

describe("the switch of the live release", { timeout: 120_000 }, () => {
  it.each(["gnu", "busybox", "toybox"])(
    "is never seen half-way with the tools of %s",
    async (tools) => {
      const root = await mkdtemp(join(tmpdir(), "lockstep-switch-"));
      const PATH = await toolsOf(tools, join(root, "bin"));
      await using server = await startSandboxSsh({ folder: join(root, "home"), env: { PATH } });
      await using shop = await Shop.open({ server, root, [Symbol.asyncDispose]: async () => {} });
      await shop.deploy("20261121T101500Z-00000001", { "index.html": "one" });
      await shop.build({ "index.html": "two" });
      const [upload, activate] = await shop.planPair("20261121T101501Z-00000002");
      await shop.apply(upload);
      const reader = spawn(process.execPath, ["-e", READER, join(shop.path, "current/index.html")]);

      for (let round = 0; round < 10; round += 1) {
        const before = await shop.apply(activate);
        expect(await shop.revert(activate, before)).toBe("restored");
      }
      reader.stdin.write("stop");
      const [said] = (await once(reader.stdout, "data")) as [Buffer];
      const { opened, missing } = JSON.parse(said.toString()) as {
        opened: number;
        missing: number;
      };

      expect(missing).toBe(0);
      expect(opened).toBeGreaterThan(1000);
      await rm(root, { recursive: true });
    },
  );
});

/** A PATH on which the tools that move things are of one kind. */
async function toolsOf(kind: string, bin: string): Promise<string> {
  if (kind === "gnu") return "/usr/bin:/bin";
  await mkdir(bin, { recursive: true });
  const program = execFileSync("which", [kind]).toString().trim();
  for (const tool of [
    "mv",
    "ln",
    "mkdir",
    "rmdir",
    "rm",
    "readlink",
    "cat",
    "find",
    "sha256sum",
    "tar",
    "wc",
    "tail",
    "sync",
  ]) {
    await symlink(program, join(bin, tool));
  }
  return `${bin}:/usr/bin:/bin`;
}
