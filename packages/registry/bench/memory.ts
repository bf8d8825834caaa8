// How much memory a push takes with one layer of 1 GiB. Needs docker-registry.
// Usage: node --conditions=@lockstep/source bench/memory.ts
import { mkdirSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resourceUsage, stdout } from "node:process";
import { startDistribution } from "@lockstep/testkit";
import { ONE, Shop } from "../test/world.ts";

const PIECE = 1 << 20;
const root = await mkdtemp(join(tmpdir(), "lockstep-memory-"));
mkdirSync(join(root, "work/dist"), { recursive: true });
const file = await open(join(root, "work/dist/big.bin"), "w");
const piece = Buffer.alloc(PIECE);
let state = 1;
for (let count = 0; count < 1024; count += 1) {
  // half of it compresses, half of it does not
  for (let at = 0; at < PIECE / 2; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    piece.writeUInt32LE(state, at);
  }
  await file.write(piece);
}
await file.close();

const server = await startDistribution({ folder: join(root, "registry") });
try {
  const start = performance.now();
  const shop = await Shop.open(
    { repository: `${server.host}/bench/memory` },
    { folder: join(root, "work") },
  );
  const plan = await shop.plan(ONE);
  stdout.write(`after the plan: ${Math.round(resourceUsage().maxRSS / 1024)} MiB\n`);
  for (const step of plan.steps.slice(0, 2)) await shop.apply(step);
  await shop.connection[Symbol.asyncDispose]();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  stdout.write(
    `1 GiB layer: ${seconds} s, at most ${Math.round(resourceUsage().maxRSS / 1024)} MiB of memory\n`,
  );
} finally {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
}
