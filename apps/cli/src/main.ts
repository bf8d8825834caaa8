#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { hostname, userInfo } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline/promises";
import type { Shell } from "./shell.ts";

/**
 * The only file that touches the process: arguments, environment, streams, signals, exit code.
 *
 * The first SIGINT or SIGTERM asks the run to stop, the second leaves at once.
 */
async function main(): Promise<void> {
  enableCompileCache?.();
  const stop = new AbortController();
  let signal: NodeJS.Signals | undefined;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (signal !== undefined) process.exit(exitOfSignal(name));
      signal = name;
      stop.abort();
    });
  }
  // A reader that went away must not end a deploy in the middle.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  let pending = true;
  process.on("beforeExit", () => {
    if (!pending) return;
    process.stderr.write(
      "lockstep: nothing is going on any more, but the command has not ended.\n",
    );
    process.exit(1);
  });

  const { runProgram } = await import("./program.ts");
  const exit = await runProgram(shellOf(stop.signal));
  pending = false;
  process.exitCode = exit === 130 && signal === "SIGTERM" ? 143 : exit;
}

function exitOfSignal(name: "SIGINT" | "SIGTERM"): number {
  return name === "SIGINT" ? 130 : 143;
}

function shellOf(stop: AbortSignal): Shell {
  const { env, stdin, stdout, stderr } = process;
  return {
    argv: process.argv.slice(2),
    env,
    cwd: process.cwd(),
    nodeVersion: process.versions.node,
    user: () => userInfo().username,
    machine: hostname(),
    stop,
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    stderr,
    canAsk: stdin.isTTY && stderr.isTTY,
    isLive: stderr.isTTY,
    columns: stderr.columns ?? 80,
    async ask(question) {
      const reader = createInterface({ input: stdin, output: stderr });
      try {
        return await reader.question(question, { signal: stop });
      } finally {
        reader.close();
      }
    },
  };
}

await main();
