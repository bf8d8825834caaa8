import { hash } from "node:crypto";

/** A manifest as a registry keeps it. */
export interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** One repository of a sandbox registry. */
export interface StoredRepository {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, StoredManifest>;
  /** Digest by tag. */
  readonly tags: Map<string, string>;
}

/** `sha256:` and hex digits. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${hash("sha256", bytes, "hex")}`;
}

/** What a sandbox registry holds, readable by a test without going through its API. */
export class RegistryStore {
  readonly repositories: Map<string, StoredRepository> = new Map();

  /** Makes the repository where there is none. */
  repository(name: string): StoredRepository {
    const known = this.repositories.get(name);
    if (known !== undefined) return known;
    const fresh: StoredRepository = { blobs: new Map(), manifests: new Map(), tags: new Map() };
    this.repositories.set(name, fresh);
    return fresh;
  }

  manifest(name: string, reference: string): (StoredManifest & { digest: string }) | undefined {
    const repository = this.repositories.get(name);
    const digest = reference.includes(":") ? reference : repository?.tags.get(reference);
    const found = digest === undefined ? undefined : repository?.manifests.get(digest);
    return found === undefined || digest === undefined ? undefined : { ...found, digest };
  }

  /** Digest by tag, in the order of the tags. */
  tags(name: string): Record<string, string> {
    const tags = this.repositories.get(name)?.tags ?? new Map<string, string>();
    return Object.fromEntries([...tags].toSorted(([left], [right]) => (left < right ? -1 : 1)));
  }

  /** What a manifest names and the repository does not hold, through every level of an index. */
  missing(name: string, reference: string): string[] {
    const repository = this.repository(name);
    const manifest = this.manifest(name, reference);
    if (manifest === undefined) return [reference];
    const {
      config,
      layers = [],
      manifests = [],
    } = JSON.parse(manifest.bytes.toString()) as {
      readonly config?: { readonly digest: string };
      readonly layers?: readonly { readonly digest: string }[];
      readonly manifests?: readonly { readonly digest: string }[];
    };
    const blobs = [...(config === undefined ? [] : [config]), ...layers].map(
      ({ digest }) => digest,
    );
    return [
      ...blobs.filter((digest) => !repository.blobs.has(digest)),
      ...manifests.flatMap(({ digest }) => this.missing(name, digest)),
    ];
  }
}
