import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Artifact, type Manifest, manifestDigest } from "@lockstep/artifact";
import type { PlanContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import { imageUnknown } from "./errors.ts";

/** File of a release that names its image. */
export const IMAGE_FILE = "image";

/** A release that is nothing but the name of an image. */
export function imageArtifact(reference: string): Artifact {
  const body = Buffer.from(`${reference}\n`);
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}` as const;
  const manifest: Manifest = [
    { type: "file", path: IMAGE_FILE, mode: 0o644, size: body.length, digest },
  ];
  return {
    manifest,
    digest: manifestDigest(manifest),
    files: 1,
    bytes: body.length,
    async *open() {
      yield body;
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
