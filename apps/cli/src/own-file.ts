import { closeSync, fchmodSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { fileUnwritable } from "./errors.ts";
import type { Shell } from "./shell.ts";

/** A file that only its owner may read. */
export interface OwnFile extends Disposable {
  write(text: string): void;
}

/**
 * Opens a file for its owner only, empty.
 *
 * @throws {LockstepError} `USAGE` when it cannot be written
 */
export function openOwnFile({ cwd }: Shell, name: string): OwnFile {
  try {
    const file = openSync(resolve(cwd, name), "w", 0o600);
    fchmodSync(file, 0o600); // it may have been there, readable by all
    return {
      write: (text) => void writeSync(file, text),
      [Symbol.dispose]: () => closeSync(file),
    };
  } catch (cause) {
    throw fileUnwritable(name, cause);
  }
}

/**
 * Writes a file for its owner only.
 *
 * @throws {LockstepError} `USAGE` when it cannot be written
 */
export function writeOwnFile(shell: Shell, name: string, text: string): void {
  using file = openOwnFile(shell, name);
  file.write(text);
}
