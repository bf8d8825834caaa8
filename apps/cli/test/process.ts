import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Shop } from "./shop.ts";

const MAIN = join(import.meta.dirname, "../src/main.ts");

/** A command in a process of its own, from source. */
export class Process {
  readonly child: ChildProcessWithoutNullStreams;
  out = "";
  err = "";
  readonly #ended: Promise<unknown>;

  constructor(
    words: readonly string[],
    { cwd = "/", node = [] }: { readonly cwd?: string; readonly node?: readonly string[] } = {},
  ) {
    this.child = spawn(
      process.execPath,
      ["--conditions=@lockstep/source", ...node, MAIN, ...words],
      { cwd },
    );
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.err += text));
    this.#ended = once(this.child, "close");
  }

  /** Resolves with its exit code, null when a signal ended it. */
  async exit(): Promise<number | null> {
    await this.#ended;
    return this.child.exitCode;
  }

  /** Resolves once it has said a text on stderr. */
  async says(text: string): Promise<void> {
    const { stderr } = this.child;
    while (!this.err.includes(text)) {
      if (stderr.readableEnded) throw new Error(`It ended without ${text}: ${this.err}`);
      await Promise.race([once(stderr, "data"), this.#ended]);
    }
  }
}

/** A deploy of a content of the shop to production, in a process of its own. */
export function deployOf(shop: Shop, content: string, ...more: string[]): Process {
  const words = ["deploy", "-y", "-e", "production", "-c", `${content}.config.ts`, ...more];
  return new Process(words, { cwd: shop.folder });
}
