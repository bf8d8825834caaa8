import { execFile } from "node:child_process";
import { chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { promisify } from "node:util";
import { startFaultProxy, startSandboxRegistry, startDistribution } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { digestIn, fill, filesOf, ONE, Shop, TWO } from "../world.ts";

const CHILD = join(import.meta.dirname, "../same-child.ts");
const NOBODY = 65_534;

it(
  "two copies in two folders, of two users with two masks and time zones, give one digest",
  { timeout: 60_000 },
  async () => {
    await using server = await startSandboxRegistry();
    const digests: string[] = [];
    for (const [uid, mask, zone] of [
      [0, "077", "Asia/Kathmandu"],
      [NOBODY, "000", "America/St_Johns"],
    ] as const) {
      const folder = await mkdtemp(join(tmpdir(), "lockstep-same-"));
      const dist = join(folder, "dist");
      const first = await mkdtemp(join(tmpdir(), "lockstep-first-"));
      try {
        await fill(first, filesOf("one"));
        await promisify(execFile)("sh", [
          "-c",
          `umask ${mask} && cp -R --no-preserve=all "$0" "$1"`,
          first,
          dist,
        ]);
        for (const name of [
          folder,
          ...(await readdir(folder, { recursive: true })).map((path) => join(folder, path)),
        ]) {
          await chown(name, uid, uid);
        }
        const { stdout } = await promisify(execFile)(
          execPath,
          ["--conditions=@lockstep/source", CHILD, `${server.host}/acme/shop`, folder],
          { uid, gid: uid, env: { TZ: zone, LANG: uid === 0 ? "C" : "de_DE.UTF-8" } },
        );
        digests.push(JSON.parse(stdout) as string);
      } finally {
        await rm(folder, { recursive: true, force: true });
        await rm(first, { recursive: true, force: true });
      }
    }
    expect(digests[0]).toMatch(/^sha256:/);
    expect(digests[1]).toBe(digests[0]);
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
