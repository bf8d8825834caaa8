import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join, relative } from "node:path";

/** A file tree as text: path → what is there. */
export type Tree = Readonly<
  Record<string, { readonly mode?: number; readonly text?: string; readonly link?: string }>
>;

/** Reads everything below a folder, in a fixed order. */
export async function readTree(folder: string): Promise<Tree> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }); // follows no link
  const paths = entries.map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
  const read = paths.toSorted().map(async (path) => {
    const full = join(folder, path);
    const seen = await lstat(full);
    if (seen.isSymbolicLink()) return [path, { link: await readlink(full) }] as const;
    const mode = seen.mode & 0o777;
    if (seen.isDirectory()) return [path, { mode }] as const;
    return [path, { mode, text: await readFile(full, "utf8") }] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

/** Makes a folder hold that tree and nothing else. */
export async function writeTree(folder: string, tree: Tree): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [path, { mode, text, link }] of Object.entries(tree)) {
    const full = join(folder, path);
    if (link !== undefined) await symlink(link, full);
    else if (text !== undefined) await writeFile(full, text);
    else await mkdir(full);
    if (mode !== undefined) await chmod(full, mode);
  }
}
