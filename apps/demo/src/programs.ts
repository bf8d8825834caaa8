import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** How a program ended and what it answered. */
export interface Ran {
  /** Null when a signal ended it. */
  readonly exit: number | null;
  readonly stdout: string;
}

/** How a program of the demo is run. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program at once, as a power cut does. */
  readonly kill?: AbortSignal;
  /** Gets the answer as it comes; what the program tells beside it goes to the terminal. */
  answer(text: string): void;
}

const DEMO = join(import.meta.dirname, "..");

/** The CLI as it is installed here: its sources when this process runs on sources, else what was built. */
const ENTRY = fileURLToPath(import.meta.resolve("lockstep"));
const CLI = join(dirname(ENTRY), `main${extname(ENTRY)}`);

/** Runs `lockstep` in the folder of the demo, as a user does in a terminal. */
export async function lockstep(words: readonly string[], options: RunOptions): Promise<Ran> {
  return run([CLI, ...words], options);
}

/** Builds an edition of the shop. */
export async function buildShop(words: readonly string[], options: RunOptions): Promise<Ran> {
  return run([join(DEMO, "shop/build.mjs"), ...words], options);
}

async function run(words: readonly string[], { env = {}, kill, answer }: RunOptions): Promise<Ran> {
  const child = spawn(process.execPath, [...process.execArgv, ...words], {
    cwd: DEMO,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const die = (): boolean => child.kill("SIGKILL");
  kill?.addEventListener("abort", die);
  if (kill?.aborted === true) die();
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    answer(text);
  });
  const [exit] = (await once(child, "close")) as [number | null];
  kill?.removeEventListener("abort", die);
  // What was killed could not show the cursor again that its live area had hidden.
  if (exit === null && process.stderr.isTTY) process.stderr.write("\u001B[?25h");
  return { exit, stdout };
}
