import type { Artifact } from "@lockstep/artifact";
import type { Json } from "@lockstep/plugin";
import type { Image } from "../image/image.ts";
import { parseObject } from "../image/model.ts";

/**
 * A list of what is in an image: each installed npm package by the package.json that is in the image, with
 * the hash the lockfile gives for it, and every other file by its digest.
 *
 * @see CycloneDX 1.6, "JSON Reference"
 */
export async function sbomOf(
  { root, artifact, materials }: Image,
  { name, signal }: { readonly name: string; readonly signal: AbortSignal },
): Promise<Json> {
  const packages = artifact === undefined ? [] : await packagesIn(artifact, signal);
  const files = artifact === undefined ? [] : filesIn(artifact);
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "container",
        name,
        version: root.digest,
        purl: `pkg:oci/${name.slice(name.lastIndexOf("/") + 1)}@${encodeURIComponent(root.digest)}?repository_url=${encodeURIComponent(name)}`,
      },
      properties: materials.map((material) => ({
        name: `lockstep:material:${material.name}`,
        value: material.digest,
      })),
    },
    components: [...packages, ...files],
  };
}

async function packagesIn(artifact: Artifact, signal: AbortSignal): Promise<Json[]> {
  const locked = await lockedHashes(artifact, signal);
  const found = new Map<string, Json>();
  for (const entry of artifact.manifest) {
    const home = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\/package\.json$/.exec(entry.path)?.[1];
    if (home === undefined || entry.type !== "file") continue;
    const { name, version } = parseObject(await contentOf(artifact, entry.path, signal)) ?? {};
    if (typeof name !== "string" || typeof version !== "string") continue;
    const purl = `pkg:npm/${name.split("/").map(encodeURIComponent).join("/")}@${encodeURIComponent(version)}`;
    const hash = locked.get(home);
    found.set(purl, {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      purl,
      ...(hash === undefined ? {} : { hashes: [hash] }),
    });
  }
  return [...found].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([, json]) => json);
}

/** SHA-512 by folder, as package-lock.json has it. */
async function lockedHashes(artifact: Artifact, signal: AbortSignal): Promise<Map<string, Json>> {
  const path = "package-lock.json";
  if (!artifact.manifest.some((entry) => entry.type === "file" && entry.path === path))
    return new Map();
  const packages = parseObject(await contentOf(artifact, path, signal))?.["packages"] ?? {};
  return new Map(
    Object.entries(packages as Record<string, { readonly integrity?: string }>).flatMap(
      ([home, { integrity = "" }]) => {
        const base64 = /^sha512-([A-Za-z0-9+/=]+)$/.exec(integrity)?.[1];
        if (base64 === undefined) return [];
        return [[home, { alg: "SHA-512", content: Buffer.from(base64, "base64").toString("hex") }]];
      },
    ),
  );
}

function filesIn({ manifest }: Artifact): Json[] {
  return manifest.flatMap((entry) =>
    entry.type !== "file" || entry.path.includes("node_modules/")
      ? []
      : [
          {
            type: "file",
            name: entry.path,
            hashes: [{ alg: "SHA-256", content: entry.digest.slice("sha256:".length) }],
          },
        ],
  );
}

async function contentOf(artifact: Artifact, path: string, signal: AbortSignal): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of artifact.open(path, { signal })) pieces.push(piece);
  return Buffer.concat(pieces);
}
