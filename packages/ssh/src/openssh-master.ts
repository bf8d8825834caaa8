import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { TargetContext } from "@lockstep/plugin";
import { deferred } from "./deferred.ts";
import { SHELL_COMMAND } from "./link.ts";

/** Milliseconds in which the last packets get out. */
const GOODBYE_MS = 250;

/** Characters kept of what ssh says. */
export const MOST_SAID = 8192;

/** One ssh that holds the connection, and how the others that use it are started. */
export interface Master {
  readonly child: ChildProcessWithoutNullStreams;
  /** Arguments of an ssh that uses the connection, up to the name of the host. */
  readonly words: readonly string[];
  readonly address: string;
  readonly env: TargetContext["env"];
  readonly said: () => string;
  readonly lost: Promise<Error>;
  readonly others: Set<ChildProcessWithoutNullStreams>;
}

/** Starts the ssh that holds the connection; what it runs there is the shared shell. */
export function startMaster(
  words: readonly string[],
  { folder, address, env }: Pick<Master, "address" | "env"> & { readonly folder: string },
): Master {
  const through = ["-T", ...words, "-o", `ControlPath=${join(folder, "c").replaceAll("%", "%%")}`];
  // what goes wrong with a channel is only told at this level
  const own = [...through, "-o", "ControlMaster=yes", "-o", "LogLevel=INFO"];
  const child = start(env, [...own, "--", address, SHELL_COMMAND]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-MOST_SAID);
  });
  const lost = deferred<Error>();
  child.on("error", (cause) => lost.resolve(cause));
  child.on("close", (code) => {
    const last = said.trim().split("\n").at(-1) ?? "";
    lost.resolve(new Error(last === "" ? `ssh ended with status ${String(code)}` : last));
  });
  const others = new Set<ChildProcessWithoutNullStreams>();
  const mux = [...through, "-o", "ControlMaster=no"];
  return { child, words: mux, address, env, said: () => said, lost: lost.promise, others };
}

/** In a process group of its own: what a terminal sends to stop the run must not end its connections. */
function start(env: Master["env"], words: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn("ssh", words, { env, detached: true });
  child.stdin.on("error", () => {}); // it ended: its status says so
  return child;
}

/** Starts an ssh that goes through the connection of another. */
export function startOther(
  master: Master,
  words: readonly string[],
): ChildProcessWithoutNullStreams {
  const child = start(master.env, [...master.words, ...words]);
  master.others.add(child);
  child.on("close", () => master.others.delete(child));
  child.on("error", () => master.others.delete(child));
  return child;
}

/** Ends the connection and all that goes through it, once what was just sent is on its way. */
export function end({ child, others }: Master): void {
  child.stdin.end();
  for (const other of others) other.kill();
  setTimeout(() => child.kill(), GOODBYE_MS).unref();
}

/** Whether an ssh keeps this process from ending. */
export function hold(child: ChildProcessWithoutNullStreams, yes: boolean): void {
  for (const one of [child, child.stdin, child.stdout, child.stderr] as (Socket | typeof child)[]) {
    if (yes) one.ref();
    else one.unref();
  }
}
