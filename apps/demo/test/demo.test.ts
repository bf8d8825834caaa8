import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../src/main.ts");

/** The demo as a process of its own, on the sources of all packages. */
class Demo {
  readonly child = spawn(process.execPath, ["--conditions=@lockstep/source", MAIN], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  /** What the terminal shows. */
  screen = "";
  readonly ended: Promise<unknown> = once(this.child, "close");

  constructor() {
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.screen += text));
    }
  }

  async shows(text: string): Promise<void> {
    while (!this.screen.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(`It ended before it showed: ${text}`);
      await sleep(20);
    }
  }

  /** The folder of everything the demo writes. */
  get folder(): string {
    return /below (\S+):/.exec(this.screen)?.[1] ?? "";
  }

  /** Lines that state a fact. */
  get facts(): readonly string[] {
    return this.screen.split("\n").filter((line) => /^[✓✗] /.test(line));
  }
}

/** Where the process that a host serves now listens. */
function shopOf(folder: string, host: string): string {
  const state = readFileSync(join(folder, host, "run/live.json"), "utf8");
  return `http://127.0.0.1:${(JSON.parse(state) as { readonly port: number }).port}/health`;
}

function isUp(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

describe("the demo", () => {
  it("shows releases that stay, fail and are recovered, and loses no request", async () => {
    const demo = new Demo();

    await demo.ended;

    const plain = demo.facts.map((line) =>
      line
        .replace(/\d{8}T\d{6}Z-[0-9a-f]{8}/, "RELEASE")
        .replace(/of \d+ requests failed; the slowest took \d+ ms/, "of N requests failed"),
    );
    expect(demo.child.exitCode, demo.screen).toBe(0);
    expect(plain).toMatchInlineSnapshot(`
      [
        "✓ exit code 0",
        "✓ eu-1 serves nothing yet",
        "✓ us-1 serves nothing yet",
        "✓ the tag leads nowhere yet",
        "✓ the bucket shows nothing yet",
        "✓ exit code 0",
        "✓ eu-1 serves RELEASE",
        "✓ us-1 serves RELEASE",
        "✓ the tag leads to a new image",
        "✓ the bucket shows edition 1",
        "✓ exit code 0",
        "✓ eu-1 serves RELEASE",
        "✓ us-1 serves RELEASE",
        "✓ the tag leads to a new image",
        "✓ the bucket shows edition 2",
        "✓ 0 of N requests failed; visitors saw editions 1, 2",
        "✓ exit code 31",
        "✓ eu-1 serves RELEASE",
        "✓ us-1 serves RELEASE",
        "✓ the tag leads to the same image as before",
        "✓ the bucket shows edition 2",
        "✓ 0 of N requests failed; visitors saw editions 2, 3",
        "✓ the deploy was killed",
        "✓ both hosts serve the new release, and nobody has decided to keep it",
        "✓ exit code 25",
        "✓ exit code 0",
        "✓ eu-1 serves RELEASE",
        "✓ us-1 serves RELEASE",
        "✓ the tag leads to the same image as before",
        "✓ the bucket shows edition 2",
        "✓ 0 of N requests failed; visitors saw editions 2, 3",
        "✓ exit code 0",
        "✓ exit code 0",
        "✓ both name RELEASE",
      ]
    `);
    expect(demo.screen).toContain("$ lockstep deploy -e production -y");
    expect(existsSync(demo.folder)).toBe(false);
  }, 180_000);

  it("leaves nothing running and nothing behind when it is stopped", async () => {
    const demo = new Demo();
    await demo.shows("3. The next release");
    const { folder } = demo;
    const shops = ["eu-1", "us-1"].map((host) => shopOf(folder, host));
    expect(await Promise.all(shops.map(isUp))).toEqual([true, true]);

    demo.child.kill("SIGINT");
    await demo.ended;

    expect(demo.child.exitCode).toBe(130);
    expect(demo.screen).toContain("Stopped; nothing is left running.");
    expect(await Promise.all(shops.map(isUp))).toEqual([false, false]);
    expect(existsSync(folder)).toBe(false);
  }, 120_000);
});
