import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readSource, tarStream } from "@lockstep/artifact";
import type { PlannedStep } from "@lockstep/plugin";
import { type FaultProxy, startFaultProxy } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compressed } from "../src/compress.ts";
import { hostOf } from "../src/connection.ts";
import { stampName } from "../src/layout.ts";
import { proofOf } from "../src/proof.ts";
import { BEGIN, FINISH, UNPACK } from "../src/steps/upload-scripts.ts";
import { contents, Shop, startHost, stateOf, type TestHost } from "./world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";
const FILES = {
  "a.txt": "a".repeat(700),
  "bin/run.sh": "#!/bin/sh\n",
  "c.txt": "",
  "d/e.txt": "e".repeat(512),
};

/**
 * Cuts uploads to dash and busybox hosts at `positions` bytes each, spread over the whole upload, and at every
 * block of the archive: none is ever ready with anything missing.
 */
export function describeCutUploads(positions: number): void {
  describe.concurrent.each(["dash", "busybox"] as const)(
    "an upload to %s",
    { timeout: 120_000 * Math.ceil(positions / 25) },
    (shell) => {
      let host: TestHost;
      let proxy: FaultProxy;
      beforeAll(async () => {
        host = await startHost(shell);
        proxy = await startFaultProxy({ host: "127.0.0.1", port: host.server.port });
      });
      afterAll(async () => {
        await proxy[Symbol.asyncDispose]();
        await host[Symbol.asyncDispose]();
      });

      /** A shop with one release live, whose host is reached at a port. */
      async function openShop(port = host.server.port): Promise<Shop> {
        const { user, hostKey } = host.server;
        const hosts = [{ name: "web-1", address: "127.0.0.1", port, user, hostKey }];
        const shop = await Shop.open(host, { hosts });
        await shop.deploy(ONE, { "index.html": "one" });
        await shop.build(FILES);
        return shop;
      }

      async function mustBeWhole(shop: Shop): Promise<void> {
        expect(await shop.observe()).toEqual({
          link: `releases/${ONE}`,
          files: { "index.html": "one" },
        });
        if ((await stateOf(shop.path, TWO)) !== "ready") return;
        expect(await contents(join(shop.path, "releases", TWO))).toEqual(FILES);
      }

      it("that is cut at any byte is never ready with anything missing, and is made whole later", async () => {
        await using shop = await openShop(proxy.port);
        const [upload] = await shop.planPair(TWO);
        const bytes = await bytesOf(shop, upload);
        let whole = 0;

        for (let position = 0; position < positions; position += 1) {
          proxy.cutAfter("up", Math.floor((bytes * position) / (positions - 1)));
          const isWhole = await shop.apply(upload).then(
            () => true,
            (error: { code?: string }) => {
              expect(error.code).toMatch(/^SSH_(CONNECTION_LOST|HOST_UNREACHABLE)$/);
              return false;
            },
          );
          proxy.heal();
          await mustBeWhole(shop);
          if (isWhole) whole += 1;
          await shop.apply(upload);
          expect(await stateOf(shop.path, TWO)).toBe("ready");
          await mustBeWhole(shop);
          expect(await shop.revert(upload, null)).toBe("restored");
        }

        expect(whole).toBeLessThan(positions / 3);
        expect(await readdir(join(shop.path, "releases"))).toEqual([ONE]);
      });

      /** Bytes that a whole upload sends. */
      async function bytesOf(shop: Shop, upload: PlannedStep): Promise<number> {
        const start = proxy.transferred.up;
        await shop.apply(upload);
        await shop.revert(upload, null);
        return proxy.transferred.up - start;
      }

      it("that ends at any block of the archive is refused, although tar takes it for complete", async () => {
        await using shop = await openShop();
        const ctx = shop.context();
        const remote = hostOf(shop.connection, "web-1");
        const artifact = await readSource("dist", { folder: shop.folder });
        const values = { P: shop.path, ID: TWO, STAMP: stampName(ctx.stamp), BASE: "", Z: "gzip" };
        const begin = { ...values, RUN: ctx.run, DIGEST: artifact.digest, BEFORE: "" };
        const outcomes: string[] = [];

        for (let blocks = 0; ; blocks += 1) {
          const attempt = String(blocks).padStart(24, "0");
          const lists = `.lockstep.${attempt}`;
          const proof = proofOf(artifact, lists);
          const tar = await collect(tarStream(artifact, { trailer: proof.trailer }));
          const body = compressed(one(tar.subarray(0, blocks * 512)), "gzip");
          const all = { ...values, N: attempt, LISTS: lists, ...proof.values };
          await remote.run(ctx, { text: BEGIN, values: { ...begin, N: attempt } });
          const unpacked = await remote.exec(ctx, { text: UNPACK, values: all }, { body });
          const finished = await remote.run(ctx, { text: FINISH, values: all });
          const state = await stateOf(shop.path, TWO);

          expect(state).toBe(finished.status === 0 ? "ready" : "staging");
          outcomes.push(`${unpacked.status === 0 ? "unpacked" : "broken"}, ${state}`);
          await mustBeWhole(shop);
          if (blocks * 512 >= tar.length || state === "ready") break;
        }

        // the danger is real: most cuts leave an archive that tar accepts
        expect(
          outcomes.filter((outcome) => outcome === "unpacked, staging").length,
        ).toBeGreaterThan(5);
        expect(outcomes.at(-1)).toBe("unpacked, ready");
      });

      it("that was started over cannot be joined by what an earlier try still sends", async () => {
        await using shop = await openShop();
        const ctx = shop.context();
        const remote = hostOf(shop.connection, "web-1");
        const artifact = await readSource("dist", { folder: shop.folder });
        const values = { P: shop.path, ID: TWO, STAMP: stampName(ctx.stamp), BASE: "", Z: "gzip" };
        const begin = { ...values, RUN: ctx.run, DIGEST: artifact.digest, BEFORE: "" };
        const proof = proofOf(artifact, ".lockstep.late");
        const late = { ...values, N: "late", LISTS: ".lockstep.late", ...proof.values };
        await remote.run(ctx, { text: BEGIN, values: { ...begin, N: "late" } });
        await remote.run(ctx, { text: BEGIN, values: { ...begin, N: "next" } });

        const body = compressed(tarStream(artifact, { trailer: proof.trailer }), "gzip");
        const unpacked = await remote.exec(ctx, { text: UNPACK, values: late }, { body });
        const finished = await remote.run(ctx, { text: FINISH, values: late });

        expect([unpacked.status, finished.status]).toEqual([71, 71]);
        expect(await readdir(join(shop.path, "releases", TWO))).toEqual([]);
        expect(await stateOf(shop.path, TWO)).toBe("staging");
      });

      it.each([
        ["changed", "printf b >a.txt"],
        ["short", ": >a.txt"],
        ["missing", "rm a.txt"],
        ["too many", ": >extra"],
        ["hidden and too many", ": >.extra"],
        ["a link instead", "mv a.txt b && ln -s b a.txt"],
        ["not executable", "chmod 644 bin/run.sh"],
        ["executable", "chmod 755 a.txt"],
        ["in a folder too many", "mkdir more"],
        ["a device", "mkfifo pipe"],
      ])("with a file that is %s is not taken for complete", async (_, damage) => {
        await using shop = await openShop();
        const ctx = shop.context();
        const remote = hostOf(shop.connection, "web-1");
        const artifact = await readSource("dist", { folder: shop.folder });
        const proof = proofOf(artifact, ".lockstep.n");
        const stamp = stampName(ctx.stamp);
        const values = { P: shop.path, ID: TWO, STAMP: stamp, N: "n", BASE: "", Z: "gzip" };
        const begin = { ...values, RUN: ctx.run, DIGEST: artifact.digest, BEFORE: "" };
        await remote.run(ctx, { text: BEGIN, values: begin });
        const body = compressed(tarStream(artifact, { trailer: proof.trailer }), "gzip");
        await remote.exec(ctx, { text: UNPACK, values }, { body });
        await remote.run(ctx, { text: `cd "$P/releases/$ID" && ${damage}`, values });

        const finish = { ...values, LISTS: ".lockstep.n", ...proof.values };
        const { status, stderr } = await remote.run(ctx, { text: FINISH, values: finish });

        expect({ status, stderr }).toEqual({ status: 74, stderr: expect.stringMatching(/\S/) });
        expect(await stateOf(shop.path, TWO)).toBe("staging");
      });
    },
  );
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
