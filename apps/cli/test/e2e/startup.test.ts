import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const ROUNDS = 15;

function millisecondsOf(words: readonly string[]): number {
  const begun = performance.now();
  execFileSync(process.execPath, words, { stdio: "ignore" });
  return performance.now() - begun;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Infinity;
}

describe("lockstep --version", () => {
  it("takes at most three times as long as node itself needs to start", () => {
    const ours: number[] = [];
    const node: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      node.push(millisecondsOf(["-e", "0"]));
      ours.push(millisecondsOf([MAIN, "--version"]));
    }

    const ratio = median(ours) / median(node);
    process.stdout.write(
      `lockstep --version ${median(ours).toFixed(0)} ms, node -e 0 ${median(node).toFixed(0)} ms: ${ratio.toFixed(2)} times\n`,
    );

    expect(ratio).toBeLessThanOrEqual(3);
  });

  it.each([["--version"], ["--help"]])("%s loads neither zod nor a target", (flag) => {
    const { stderr } = spawnSync(process.execPath, [MAIN, flag], {
      env: { ...process.env, NODE_DEBUG: "esm,module" },
      encoding: "utf8",
      maxBuffer: 64 << 20,
    });

    expect(stderr).toContain("commander");
    expect(stderr).not.toMatch(/node_modules\/(zod|ssh2)\/|@lockstep\/(ssh|http|core)\//);
  });
});
