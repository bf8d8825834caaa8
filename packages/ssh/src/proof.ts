import { createHash } from "node:crypto";
import { type Manifest, manifestText, type TrailerMember } from "@lockstep/artifact";

/** Lists by which a host checks what arrived, as files that travel behind the artifact. */
export interface Proof {
  readonly trailer: readonly TrailerMember[];
  /** Values for the checking script: sums of the lists, and how many entries of each type there are. */
  readonly values: Readonly<Record<"SUMS" | "FILES" | "DIRS" | "EXECS" | "LINKS", string>>;
}

/**
 * Says for every entry of a manifest how a host can tell that it is there, and how many there are in all,
 * so that nothing more is there either.
 *
 * One entry per line: manifests hold no control characters. The lists travel with the artifact, their own
 * sums on the control channel: a list that was cut off proves nothing.
 *
 * @param folder - Name of the folder the lists arrive in, below the tree; unknown to the source.
 */
export function proofOf(manifest: Manifest, folder: string): Proof {
  const files = manifest.filter((entry) => entry.type === "file");
  const execs = files.filter(({ mode }) => (mode & 0o100) !== 0);
  const dirs = manifest.filter((entry) => entry.type === "directory");
  const links = manifest.filter((entry) => entry.type === "link");
  const lists: Readonly<Record<string, string>> = {
    manifest: manifestText(manifest),
    // "hex  ./path", as sha256sum reads it; "./" keeps a name from being an option
    files: lines(files.map(({ digest, path }) => `${digest.replace("sha256:", "")}  ./${path}`)),
    execs: lines(execs.map(({ path }) => path)),
    dirs: lines(dirs.map(({ path }) => path)),
    links: lines(links.flatMap(({ path, target }) => [path, target])),
  };
  const members = Object.entries(lists).map(([name, text]) => ({
    name,
    body: Buffer.from(text, "utf8"),
  }));
  return {
    trailer: members.map(({ name, body }) => ({ path: `${folder}/${name}`, body })),
    values: {
      SUMS: lines(members.map(({ name, body }) => `${sumOf(body)}  ${name}`)),
      FILES: String(files.length),
      DIRS: String(dirs.length),
      EXECS: String(execs.length),
      LINKS: String(links.length),
    },
  };
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}

function sumOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}
