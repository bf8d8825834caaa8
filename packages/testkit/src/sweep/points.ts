// Loaded into a process before everything else (`node --import`). Numbers every write of the process to a socket,
// a pipe or the file system, and kills the process before or after one of them, whatever plugin makes it.
import fs from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";
import { devNull } from "node:os";
import process from "node:process";

type Call = (...words: unknown[]) => unknown;

/** Where the counting stands; the process arms it when the call that is to be killed begins. */
export interface Points {
  armed: boolean;
  passed: number;
  /** The point at which the process dies; none when negative. */
  at: number;
}

/** The counter of this process. */
export const points: Points = { armed: false, passed: 0, at: -1 };

function pass(): void {
  if (!points.armed) return;
  if (points.passed === points.at) process.kill(process.pid, "SIGKILL");
  points.passed += 1;
}

/** Two points around a call that resolves when it is done. */
function around(real: Call): Call {
  return async function passed(this: unknown, ...words: unknown[]) {
    pass();
    const result = await real.apply(this, words);
    pass();
    return result;
  };
}

/** Two points around a call that is done when it returns. */
function aroundSync(real: Call): Call {
  return function passed(this: unknown, ...words: unknown[]) {
    pass();
    const result = real.apply(this, words);
    pass();
    return result;
  };
}

/** Two points around a call that tells its last argument when it is done. */
function aroundCallback(real: Call): Call {
  return function passed(this: unknown, ...words: unknown[]) {
    pass();
    const done = words.pop() as Call;
    return real.call(this, ...words, (...result: unknown[]) => {
      pass();
      done(...result);
    });
  };
}

function patch(owner: object, names: readonly string[], wrap: (real: Call) => Call): void {
  const members = owner as Record<string, Call | undefined>;
  for (const name of names) {
    const real = members[name];
    if (real !== undefined) members[name] = wrap(real);
  }
}

const ONE_STEP = "link symlink rename unlink rm rmdir mkdir writeFile appendFile copyFile truncate";
const names = ONE_STEP.split(" ");
patch(promises, names, around);
patch(fs, [...names, "write", "writev"], aroundCallback);
patch(
  fs,
  [...names, "write", "writev"].map((name) => `${name}Sync`),
  aroundSync,
);
const handle = await promises.open(devNull);
const files = Object.getPrototypeOf(handle) as object;
await handle.close();
patch(files, ["write", "writev", "writeFile", "appendFile", "sync", "datasync"], around);
patch(Socket.prototype, ["_write", "_writev"], aroundCallback);
syncBuiltinESMExports();
