import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Artifact, type Manifest, manifestText, type TrailerMember } from "@lockstep/artifact";
import { editOf } from "./edit.ts";

/** Bytes of a line of a manifest with a path of no length. */
const LINE_BYTES = 75;

/** Lists by which a host checks what arrived, as files that travel behind the artifact. */
export interface Proof {
  readonly trailer: readonly TrailerMember[];
  /** Values for the checking script: digests of manifest and links, in hex. */
  readonly values: Readonly<Record<"SUM" | "LINKSUM", string>>;
}

/**
 * Says for every entry of a manifest how a host can tell that it is there, and nothing else is.
 *
 * The lists travel with the artifact, their sums on their own way: a list that was cut off proves nothing. A
 * host that has `base` gets only what differs from it.
 *
 * @param folder - Name of the folder the lists arrive in, below the tree; unknown to the source.
 */
export function proofOf(
  { manifest, digest }: Pick<Artifact, "manifest" | "digest">,
  folder: string,
  base: Manifest = [],
): Proof {
  const links = manifest.filter((entry) => entry.type === "link");
  const pairs = Buffer.from(lines(links.flatMap(({ path, target }) => [path, target])));
  const edit = editOf(base, manifest);
  const isShorter = edit !== undefined && edit.length < LINE_BYTES * manifest.length;
  return {
    trailer: [
      isShorter
        ? { path: `${folder}/edit`, body: Buffer.from(edit) }
        : { path: `${folder}/manifest`, body: Buffer.from(manifestText(manifest)) },
      { path: `${folder}/links`, body: pairs },
    ],
    values: {
      SUM: digest.replace("sha256:", ""),
      LINKSUM: createHash("sha256").update(pairs).digest("hex"),
    },
  };
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
