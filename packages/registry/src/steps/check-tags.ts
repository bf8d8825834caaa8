import { type Check, type CheckResult, isLockstepError, type ReadContext } from "@lockstep/plugin";
import type { Asking } from "../client/asking.ts";
import { hasBlob } from "../client/blobs.ts";
import { getManifest } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { type Descriptor, parseManifest, type RawManifest } from "../image/model.ts";
import type { Repository } from "../reference.ts";
import { readTags } from "../tags.ts";

/** What the registry must give to those who pull. */
export type CheckTagsInput = {
  /** `ghcr.io/acme/shop` */
  readonly repository: string;
  /** Whose digests these are: the check says nothing of any other release. */
  readonly release: string;
  /** Digest by tag. */
  readonly moves: Readonly<Record<string, string>>;
  /** Also look at every blob and every platform. */
  readonly deep: boolean;
};

/** Reads the tags as everybody does, and compares the digests of the bytes. */
export const checkTags: Check<CheckTagsInput, RegistryConnection> = {
  kind: "registry.tags/1",

  describe({ repository, moves, deep }) {
    const tags = Object.keys(moves).join(", ");
    return `read ${repository}:${tags} back${deep ? ", with all that belongs to it" : ""}`;
  },

  async check(input, ctx) {
    try {
      return await lookAt(input, ctx);
    } catch (error) {
      ctx.signal.throwIfAborted();
      if (!isLockstepError(error)) throw error;
      // other bytes than the digest says are bad; a registry that does not answer says nothing of the image
      const status = error.code === "REGISTRY_CONTENT" ? "fail" : "inconclusive";
      return { status, found: error.message };
    }
  },
};

async function lookAt(
  { moves, deep }: CheckTagsInput,
  ctx: ReadContext<RegistryConnection>,
): Promise<CheckResult> {
  const { connection } = ctx;
  const { repository } = connection.settings;
  const asking = connection.asking(ctx);
  const found = await readTags(asking, repository, Object.keys(moves));
  for (const [tag, digest] of Object.entries(moves)) {
    const now = found.get(tag)?.digest;
    if (now === digest) continue;
    return {
      status: "fail",
      wanted: `${tag} is ${digest}`,
      found: `${tag} is ${now ?? "nothing"}`,
    };
  }
  connection.checked.keep(found);
  if (!deep) return { status: "pass" };
  const roots = [...found.values()].filter((raw) => raw !== null);
  const missing = await firstMissing(asking, repository, roots);
  return missing === undefined
    ? { status: "pass" }
    : { status: "fail", wanted: `the registry holds ${missing}`, found: "it does not" };
}

async function firstMissing(
  asking: Asking,
  repository: Repository,
  manifests: readonly RawManifest[],
): Promise<string | undefined> {
  for (const raw of manifests) {
    const manifest = parseManifest(raw);
    if (manifest === undefined) continue;
    const lost =
      manifest.kind === "index"
        ? await missingChild(asking, repository, manifest.manifests)
        : await missingBlob(asking, repository, [manifest.config, ...manifest.layers]);
    if (lost !== undefined) return lost;
  }
  return undefined;
}

async function missingChild(
  asking: Asking,
  repository: Repository,
  children: readonly Descriptor[],
): Promise<string | undefined> {
  for (const { digest } of children) {
    const child = await getManifest(asking, repository, digest);
    if (child === undefined) return digest;
    const lost = await firstMissing(asking, repository, [child]);
    if (lost !== undefined) return lost;
  }
  return undefined;
}

async function missingBlob(
  asking: Asking,
  repository: Repository,
  blobs: readonly Descriptor[],
): Promise<string | undefined> {
  for (const { digest } of blobs) {
    if (!(await hasBlob(asking, repository, digest))) return digest;
  }
  return undefined;
}
