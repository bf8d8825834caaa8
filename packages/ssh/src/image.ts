import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Artifact, type Manifest, manifestDigest } from "@lockstep/artifact";
import { canonicalJson, type PlanContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { ContainerSettings } from "./container-options.ts";
import { imageUnknown } from "./errors.ts";

/** File of a release that names its image. */
export const IMAGE_FILE = "image";

/** File of a release that says how its image is run, so that another way is another release. */
const CONTAINER_FILE = "container.json";

const NOT_SAID = { options: [], command: [] };

/** A release that is nothing but the name of an image, and how it is run. */
export function imageArtifact(
  reference: string,
  { options, command }: Pick<ContainerSettings, "options" | "command"> = NOT_SAID,
): Artifact {
  const how = canonicalJson({ options, command });
  const files = new Map([
    [CONTAINER_FILE, Buffer.from(`${how}\n`)],
    [IMAGE_FILE, Buffer.from(`${reference}\n`)],
  ]);
  const manifest: Manifest = [...files].map(([path, body]) => {
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}` as const;
    return { type: "file", path, mode: 0o644, size: body.length, digest };
  });
  return {
    manifest,
    digest: manifestDigest(manifest),
    files: files.size,
    bytes: [...files.values()].reduce((sum, { length }) => sum + length, 0),
    async *open(path) {
      yield files.get(path) ?? Buffer.alloc(0);
    },
  };
}

/**
 * The image that is written, or that the target of that name promises, with its digest.
 *
 * @throws {LockstepError} `SSH_IMAGE_UNKNOWN`
 */
export function imageOf(ctx: PlanContext<SshConnection>, written: string): string {
  if (/^\S+@sha256:[0-9a-f]{64}$/.test(written)) return written;
  const { repository, digest } = ctx.outputs(written) ?? {};
  if (typeof repository !== "string" || typeof digest !== "string") throw imageUnknown(written);
  return `${repository}@${digest}`;
}
