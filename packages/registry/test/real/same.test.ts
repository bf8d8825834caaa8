import { execFile } from "node:child_process";
import { lchown, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { promisify } from "node:util";
import { startFaultProxy, startSandboxRegistry, startDistribution } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { digestIn, fill, filesOf, ONE, Shop, TWO } from "../world.ts";

const CHILD = join(import.meta.dirname, "../same-child.ts");
const NOBODY = 65_534;

const execute = promisify(execFile);

/** A clone as somebody with another mask would have it. */
async function clone(from: string, { mask, uid }: { mask: string; uid: number }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-same-"));
  const words = 'umask "$0" && git -c safe.directory="*" clone --quiet --no-local "$1" "$2"';
  await execute("sh", ["-c", words, mask, from, folder]);
  const all = await readdir(folder, { recursive: true });
  for (const name of ["", ...all]) await lchown(join(folder, name), uid, uid);
  return folder;
}

it(
  "two clones, of two users with two masks and time zones, give one digest, and it is this one",
  { timeout: 60_000 },
  async () => {
    await using server = await startSandboxRegistry();
    const first = await mkdtemp(join(tmpdir(), "lockstep-first-"));
    const found: string[][] = [];
    try {
      await fill(join(first, "dist"), { ...filesOf("one"), "bin/start.sh": "#!/bin/sh\n" });
      await symlink("../server.js", join(first, "dist/bin/link.js"));
      const author = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
      await execute("git", ["init", "--quiet", first]);
      await execute("git", ["-C", first, "add", "--all"]);
      await execute("git", ["-C", first, ...author, "commit", "--quiet", "--message", "all"]);
      for (const [uid, mask, zone] of [
        [0, "077", "Asia/Kathmandu"],
        [NOBODY, "000", "America/St_Johns"],
      ] as const) {
        const folder = await clone(first, { mask, uid });
        try {
          const { stdout } = await execute(
            execPath,
            ["--conditions=@lockstep/source", CHILD, `${server.host}/acme/shop`, folder],
            { uid, gid: uid, env: { TZ: zone, LANG: uid === 0 ? "C" : "de_DE.UTF-8" } },
          );
          found.push(JSON.parse(stdout) as string[]);
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      }
    } finally {
      await rm(first, { recursive: true, force: true });
    }
    expect(found[1]).toEqual(found[0]);
    expect(found[0]).toMatchInlineSnapshot(`
      [
        "sha256:9fcd5ec71771514218c8e67b56da35c837be610193a25fb8781b52348a1d66fa",
        "sha256:daab9c6105001f2d87bae9e0b75715b5a4e68df931d9e853af8ed5ad4ca1ff02",
        "sha256:da86143eb1b7db8b1860550a523b16f658368ccb5f3b1d3627a55c53ce71e85b",
      ]
    `);
  },
);

it(
  "a push to CNCF distribution whose connections are cut again and again arrives whole",
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-cuts-"));
    await using server = await startDistribution({ folder });
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port: server.port });
    try {
      await using shop = await Shop.open({
        repository: `127.0.0.1:${proxy.port}/acme/shop`,
        limits: { backoffMs: 5, retries: 8 },
      });
      const big = Buffer.from(Array.from({ length: 2_000_000 }, (_, at) => (at * at * 31) & 255));
      for (const [turn, bytes] of [0, 1, 700, 65_536, 300_000].entries()) {
        await shop.build({
          ...filesOf(`cut ${bytes}`),
          "big.bin": Buffer.concat([big, Buffer.from(String(bytes))]),
        });
        const plan = await shop.plan({
          ...(turn === 0 ? ONE : TWO),
          id: `20261121T10200${turn}Z-00000001`,
        });
        proxy.cutAfter("up", bytes);

        await shop.apply(shop.stepOf(plan, "stage"));
        proxy.heal();
        await shop.apply(shop.stepOf(plan, "activate"));

        expect(await shop.check(plan)).toEqual(["pass"]);
        expect((await shop.live())[0]?.ref).toBe(digestIn(plan.outputs));
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
