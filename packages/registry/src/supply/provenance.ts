import type { Json, Release } from "@lockstep/plugin";
import type { Image } from "../image/image.ts";

/**
 * A statement of what an image was built from, and in which run.
 *
 * @see SLSA v1.0, "Provenance"; in-toto attestation framework, "Statement v1"
 */
export function provenanceOf(
  { root, materials }: Image,
  {
    name,
    run,
    release,
  }: { readonly name: string; readonly run: string; readonly release: Release },
): Json {
  const [, hex = ""] = root.digest.split(":");
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name, digest: { sha256: hex } }],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "https://github.com/lockstep-deploy/lockstep/registry/v1",
        externalParameters: {
          release: release.id,
          ...(release.commit === undefined ? {} : { commit: release.commit }),
        },
        resolvedDependencies: materials.map((material) => ({
          name: material.name,
          digest: { sha256: material.digest.replace(/^sha256:/, "") },
        })),
      },
      runDetails: {
        builder: { id: "https://github.com/lockstep-deploy/lockstep" },
        metadata: { invocationId: run },
      },
    },
  };
}
