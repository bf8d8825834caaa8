import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What a tree is made of. */
export interface TreeSize {
  readonly files: number;
  readonly bytes: number;
  /** Files in one folder. */
  readonly perFolder: number;
}

/** Half text, half what no compression makes smaller. */
function body(index: number, bytes: number): Buffer {
  const half = Math.floor(bytes / 2);
  const line = `line ${index} of a file that compresses as sources do\n`;
  return Buffer.concat([
    Buffer.from(line.repeat(Math.ceil(half / line.length))).subarray(0, half),
    randomBytes(bytes - half),
  ]);
}

/** Name of a file of a tree. */
export function nameOf(index: number, { perFolder }: TreeSize): string {
  return `dir-${Math.floor(index / perFolder)}/file-${index}.js`;
}

/** Writes some files of a tree, new ones or anew. */
export async function writeFiles(
  folder: string,
  size: TreeSize,
  indexes: Iterable<number>,
): Promise<void> {
  for (const index of indexes) {
    const path = join(folder, nameOf(index, size));
    if (index % size.perFolder === 0) await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, body(index, size.bytes));
  }
}

/** Numbers from 0. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
