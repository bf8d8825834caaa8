import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const MIB = 1024 * 1024;
const HEAP = join(import.meta.dirname, "../src/heap.ts");

/** Makes what lives about as long as a request does; prints the most that V8 took for the young. */
const WORK = `
import { getHeapSpaceStatistics } from "node:v8";
import { setTimeout as sleep } from "node:timers/promises";
const { keepHeapSmall } = await import(process.argv[1]);
let most = 0;
async function work() {
  const held = [];
  for (let round = 0; round < 25; round += 1) {
    for (let made = 0; made < 50_000; made += 1) held.push({ made, text: String(made) });
    const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
    most = Math.max(most, young.space_size);
    if (held.length > 500_000) held.splice(0, 400_000);
    await sleep(1);
  }
}
if (process.argv[2] === "small") keepHeapSmall();
await work();
console.log(most);
`;

/** Most bytes of the young generation while something works, in a process of its own. */
function youngWhile(how: "small" | "usual"): number {
  const words = ["--input-type=module", "-e", WORK, HEAP, how];
  return Number(execFileSync(process.execPath, words, { encoding: "utf8" }));
}

describe("a small heap", () => {
  it("keeps the young generation from growing as far as V8 lets it", () => {
    const [small, usual] = [youngWhile("small"), youngWhile("usual")];

    expect(usual).toBeGreaterThan(32 * MIB);
    // some pages more, while it moves what is in them
    expect(small).toBeLessThanOrEqual(24 * MIB);
  });
});
