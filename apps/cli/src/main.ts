#!/usr/bin/env node
import nodeModule from "node:module";
import process from "node:process";
import { keepHeapSmall } from "./heap.ts";
import type { Shell } from "./shell.ts";

/** The oldest Node that loads a TypeScript config by itself. */
const OLDEST_NODE = [22, 18] as const;

const EXIT_OF_SIGNAL = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The only file that touches the process: arguments, environment, streams, signals, exit code.
 *
 * The first SIGINT, SIGTERM or SIGHUP asks the command to stop, the second leaves at once.
 */
async function main(): Promise<void> {
  const found = process.versions.node;
  if (isTooOld(found)) {
    process.stderr.write(`NODE_TOO_OLD  This is Node ${found}; Lockstep needs 22.18 or later.\n`);
    process.exitCode = 2;
    return;
  }
  keepHeapSmall();
  nodeModule.enableCompileCache();
  // A reader that went away must not end a deploy in the middle.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const stop = new AbortController();
  let signal: keyof typeof EXIT_OF_SIGNAL | undefined;
  for (const name of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (signal !== undefined) process.exit(EXIT_OF_SIGNAL[name]);
      signal = name;
      stop.abort();
    });
  }
  const hung = guardAgainstHanging();
  const { runProgram } = await import("./program.ts");
  const stopExit = (): number => EXIT_OF_SIGNAL[signal ?? "SIGINT"];
  const exit = await runProgram({ ...shellOf(stop.signal, stopExit), awaits: hung.awaits });
  hung.end(exit);
  // What was going on when somebody said stop must not keep the process.
  if (stop.signal.aborted) process.stdout.write("", () => process.exit());
}

/** A plugin may wait for what can never happen, or leave something open that never ends. */
function guardAgainstHanging(): { awaits(what: string): void; end(exit: number): void } {
  let awaited = "its own start";
  let pending = true;
  process.on("beforeExit", () => {
    if (!pending) return;
    process.stderr.write(
      `UNEXPECTED  Lockstep waits for ${awaited}, and nothing is left that could end that.\n` +
        "  → It is a bug there. `lockstep status` tells what is live.\n",
    );
    process.exit(1);
  });
  return {
    awaits(what) {
      awaited = what;
    },
    end(exit) {
      pending = false;
      process.exitCode = exit;
      setTimeout(() => {
        const open = [...new Set(process.getActiveResourcesInfo())].join(", ");
        process.stderr.write(`A plugin left something open (${open}); Lockstep ends without it.\n`);
        process.exit();
      }, LINGER_MS).unref();
    },
  };
}

/** Milliseconds a plugin may take to let go of the process once the command is over. */
const LINGER_MS = 5000;

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
}

function shellOf(stop: AbortSignal, stopExit: () => number): Omit<Shell, "awaits"> {
  const { env, stdin, stdout, stderr } = process;
  return {
    argv: process.argv.slice(2),
    env,
    cwd: process.cwd(),
    nodeVersion: process.versions.node,
    stop,
    stopExit,
    stderr,
    isCI: async () =>
      (await import("std-env")).isCI || !["", "0", "false"].includes(env["CI"] ?? ""),
    canAsk: stdin.isTTY && stderr.isTTY,
    isLive: stderr.isTTY,
    // A terminal that does not know its size says 0.
    size: () => ({ columns: stderr.columns || 80, rows: stderr.rows || 24 }),
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    async ask(question) {
      const { createInterface } = await import("node:readline");
      stderr.write(question);
      // Left to the terminal's own line editing, so that Ctrl-C stays a signal.
      const reader = createInterface({ input: stdin, terminal: false });
      const answer = new Promise<string | undefined>((resolve) => {
        reader.once("line", resolve);
        reader.once("close", () => resolve(undefined));
      });
      const close = (): void => reader.close();
      stop.addEventListener("abort", close);
      const line = stop.aborted ? undefined : await answer;
      stop.removeEventListener("abort", close);
      reader.close();
      stdin.unref();
      if (line === undefined) stderr.write("\n");
      stop.throwIfAborted();
      return line ?? "";
    },
  };
}

await main();
