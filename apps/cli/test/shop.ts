import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach } from "vitest";
import { runProgram } from "../src/program.ts";
import type { Shell } from "../src/shell.ts";

/** Ignored by git, and inside the package, so that configs find `lockstep` and the testkit. */
const SCRATCH = join(import.meta.dirname, "../.reports");

const made: string[] = [];

afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true });
});

/** What a command printed and how it ended. */
export interface Said {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** How a command is called. */
export interface Call {
  readonly env?: Readonly<Record<string, string>>;
  /** What somebody types at a terminal; absent where nobody sits. */
  readonly answer?: string;
  readonly stop?: AbortSignal;
  readonly stopExit?: 130 | 143;
}

/** A folder with one config for each content, over the same two units in memory. */
export class Shop {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Writes `CONTENT.config.ts`; what each content does to its checks and steps stands in {@link CONFIG}. */
  async holds(content: string, settings = ""): Promise<void> {
    await writeFile(
      this.file(content),
      CONFIG.replace("CONTENT", content).replace("SETTINGS", settings),
    );
  }

  file(content: string): string {
    return join(this.folder, `${content}.config.ts`);
  }

  /** Lets deploys of the content `slow` stage, which wait for that. */
  async goesOn(): Promise<void> {
    await writeFile(join(this.folder, "go-on"), "");
  }

  /** Runs a command on the config of a content, in this process. */
  async lockstep(content: string, words: readonly string[], call: Call = {}): Promise<Said> {
    return lockstep([...words, "-c", `${content}.config.ts`], { cwd: this.folder, ...call });
  }
}

/** An empty shop that holds the contents named. */
export async function newShop(...contents: readonly string[]): Promise<Shop> {
  await mkdir(SCRATCH, { recursive: true });
  const folder = await mkdtemp(join(SCRATCH, "shop-"));
  made.push(folder);
  const shop = new Shop(folder);
  for (const content of contents) await shop.holds(content);
  return shop;
}

/** Runs a command in this process. */
export async function lockstep(
  argv: readonly string[],
  {
    cwd,
    env = {},
    answer,
    stop = new AbortController().signal,
    stopExit = 130,
  }: Call & { readonly cwd: string },
): Promise<Said> {
  const said = { out: "", err: "" };
  const err = (text: string): void => void (said.err += text);
  const shell: Shell = {
    argv,
    env,
    cwd,
    nodeVersion: "24.0.0",
    stop,
    stopExit: () => stopExit,
    stderr: new PassThrough() as unknown as NodeJS.WriteStream,
    isCI: async () => env["CI"] === "true",
    canAsk: answer !== undefined,
    isLive: false,
    size: () => ({ columns: 80, rows: 24 }),
    out: (text) => void (said.out += text),
    err,
    awaits: () => {},
    async ask(question) {
      err(`${question}\n`);
      return answer ?? "";
    },
  };
  return { exit: await runProgram(shell), ...said };
}

const CONFIG = `
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineConfig, localStore } from "lockstep";
import { memoryTarget, MemoryWorld } from "@lockstep/testkit";

const content = "CONTENT";
const world = new MemoryWorld(["web-1", "web-2"], import.meta.dirname + "/world.json");
const goOn = import.meta.dirname + "/go-on";
world.answer = (unit, live) =>
  live?.content !== content || unit !== "web-2" ? { status: "pass" }
  : content === "broken" ? { status: "fail", wanted: "status 200", found: "status 500 \\u001b[2J" }
  : content === "silent" ? { status: "inconclusive", found: "no answer" }
  : { status: "pass" };
world.on = async (call, time) => {
  if (time === "after") return;
  while (content === "slow" && call.startsWith("apply memory.stage") && !existsSync(goOn)) await sleep(20);
  if (content === "unstaged" && call === "apply memory.stage/1 web-2") throw new Error("disk full");
  if (content === "stuck" && (call === "apply memory.activate/1 web-2" || call.startsWith("revert memory.activate"))) throw new Error("gone");
  if (content === "unreadable" && call === "live web-2") throw new Error("no route");
  if (content === "undiagnosed" && call === "doctor web-2") throw new Error("no doctor in the house");
};

export default defineConfig({
  project: "shop",
  environments: {
    production: { store: localStore(), targets: { web: memoryTarget({ world, content }) }, SETTINGS },
    staging: { store: localStore(), targets: { web: memoryTarget({ world, content }) } },
  },
});
`;
