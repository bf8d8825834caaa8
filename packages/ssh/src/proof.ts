import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Artifact, type Manifest, manifestText, type TrailerMember } from "@lockstep/artifact";
import { editOf } from "./edit.ts";

/** Bytes of a line of a manifest with a path of no length. */
const LINE_BYTES = 75;

/** What a file costs a host that digests it, besides its bytes, in bytes. */
const FILE_COST = 32 * 1024;

/** Cost from which files are digested in two halves side by side: about 30 ms. */
const MUCH = 32 * 1024 * 1024;

/** Lists by which a host checks what arrived, as files that travel behind the artifact. */
export interface Proof {
  readonly trailer: readonly TrailerMember[];
  /** Values for the checking script: digests of manifest and links, in hex; files in the first of two halves, or 0. */
  readonly values: Readonly<Record<"SUM" | "LINKSUM" | "HALF", string>>;
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
      HALF: String(halfOf(manifest)),
    },
  };
}

/** How many files make half of the work to digest all; 0 where there is little to do. */
function halfOf(manifest: Manifest): number {
  const costs = manifest.flatMap((entry) =>
    entry.type === "file" ? [entry.size + FILE_COST] : [],
  );
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  if (total < MUCH) return 0;
  let sum = 0;
  return costs.findIndex((cost) => (sum += cost) >= total / 2) + 1;
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
