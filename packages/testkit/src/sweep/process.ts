import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** How a process ended that may have been killed. */
export interface Killed<Fact> {
  /** What it told before, one JSON document a line. */
  readonly facts: readonly Fact[];
  /** null when it was killed. */
  readonly exit: number | null;
  /** Its stdout and stderr. */
  readonly said: string;
}

/**
 * Runs a script of this folder with the counter of points loaded, and waits for its end.
 *
 * Secrets go through its environment, as they do in CI, and never through its arguments.
 */
export async function runKilled<Fact>(
  script: string,
  job: object,
  secrets: Readonly<Record<string, string>> = {},
): Promise<Killed<Fact>> {
  const [child, preload] = [script, "points"].map((name) =>
    fileURLToPath(new URL(`./${name}${EXTENSION}`, import.meta.url)),
  ) as [string, string];
  const words = [...SOURCE, "--import", preload, child, JSON.stringify(job)];
  const started = spawn(process.execPath, words, {
    env: { ...process.env, ...secrets },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, errors] = ["", ""];
  started.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  started.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [exit] = (await once(started, "close")) as [number | null];
  const lines = out.split("\n").filter((line) => line !== "");
  return { facts: lines.map((line) => JSON.parse(line) as Fact), exit, said: out + errors };
}

/** This file runs from source in this repository, and compiled elsewhere. */
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const SOURCE = EXTENSION === ".ts" ? ["--conditions=@lockstep/source"] : [];
