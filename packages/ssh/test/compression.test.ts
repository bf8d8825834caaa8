import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { startFaultProxy } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Shop, startHost } from "./world.ts";

const ONE = "20261121T101500Z-00000001";
const PACKERS = ["zstd", "gzip", "gunzip"];

/** Bytes of the only file. It packs well. */
const SIZE = 2_000_000;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-packers-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A folder with every program of this machine but the packers; of those the ones given, which note how they are called. */
async function programs(packers: readonly string[]): Promise<{ bin: string; log: string }> {
  const bin = await mkdtemp(join(folder, "bin-"));
  const log = join(folder, `${basename(bin)}.log`);
  await writeFile(log, "");
  for (const name of await readdir("/usr/bin")) {
    if (!PACKERS.includes(name)) await symlink(join("/usr/bin", name), join(bin, name));
  }
  for (const name of packers) {
    const script = `#!/bin/sh\necho "${name} $*" >>'${log}'\nexec /usr/bin/${name} "$@"\n`;
    await writeFile(join(bin, name), script, { mode: 0o755 });
  }
  return { bin, log };
}

describe("an upload", { timeout: 120_000 }, () => {
  it.each([
    [["zstd", "gzip"], "zstd -dcq"],
    [["gzip"], "gzip -dc"],
    [[], "nothing"],
  ])("to a host that has %j is unpacked with %s", async (packers, wanted) => {
    const { bin, log } = await programs(packers);
    await using host = await startHost("sandbox", { PATH: bin });
    const { user, hostKey, port } = host.server;
    await using proxy = await startFaultProxy({ host: "127.0.0.1", port });
    const hosts = [{ name: "web-1", address: "127.0.0.1", port: proxy.port, user, hostKey }];
    await using shop = await Shop.open(host, { hosts });
    const files = { "large.txt": "all the same\n".repeat(SIZE / 13) };

    await shop.deploy(ONE, files);

    expect(await shop.observe()).toEqual({ link: `releases/${ONE}`, files });
    const calls = (await readFile(log, "utf8")).split("\n").filter((line) => line.includes(" -dc"));
    expect(calls).toEqual(wanted === "nothing" ? [] : [wanted]);
    expect(proxy.transferred.up > SIZE).toBe(wanted === "nothing");
  });
});
