import { type Artifact, manifestDigest, type Manifest } from "@lockstep/artifact";
import { sourceUnfit } from "../errors.ts";

/** Longest name of one file, in bytes, that file systems under an image can hold. */
const LONGEST_NAME = 255;

/**
 * Part of an artifact as it stands in an image: below `into`, with the folders on the way, which begin at
 * `into` itself; what is above it belongs to the base.
 */
export function layerArtifact(
  artifact: Artifact,
  { paths, into }: { readonly paths: ReadonlySet<string>; readonly into: string },
): Artifact {
  const prefix = into === "/" ? "" : `${into.slice(1)}/`;
  const wanted = new Set<string>();
  for (const path of paths) {
    for (let part = path; part !== ""; part = part.slice(0, Math.max(part.lastIndexOf("/"), 0))) {
      if (wanted.has(part)) break;
      wanted.add(part);
    }
  }
  const inside = artifact.manifest.filter(({ path }) => wanted.has(path));
  const root =
    prefix === "" ? [] : [{ type: "directory", path: prefix.slice(0, -1), mode: 0o755 } as const];
  const manifest: Manifest = [
    ...root,
    ...inside.map((entry) => ({ ...entry, path: `${prefix}${entry.path}` })),
  ];
  const files = inside.filter((entry) => entry.type === "file");
  return {
    manifest,
    digest: manifestDigest(manifest),
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    open: (path, reading) => artifact.open(path.slice(prefix.length), reading),
  };
}

/**
 * Refuses names that would not arrive as files of that name.
 *
 * @throws {LockstepError} `REGISTRY_SOURCE` for `.wh.` names, which delete files of the layers below, and
 *   for names that are too long
 * @see OCI image specification, "layer.md", section "Whiteouts"
 */
export function refuseNames(source: string, { manifest }: Pick<Artifact, "manifest">): void {
  const names = manifest.map(({ path }) => ({ path, name: path.slice(path.lastIndexOf("/") + 1) }));
  const whiteout = names.find(({ name }) => name.startsWith(".wh."));
  if (whiteout !== undefined) {
    throw sourceUnfit(
      source,
      `has ${whiteout.path}: in an image such a name deletes a file of the base`,
    );
  }
  const long = names.find(({ name }) => Buffer.byteLength(name) > LONGEST_NAME);
  if (long !== undefined) {
    throw sourceUnfit(
      source,
      `has a name of more than ${LONGEST_NAME} bytes: ${long.path.slice(0, 100)}…`,
    );
  }
}
