/** @see OCI image specification, "media-types.md" */
export const OCI = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  empty: "application/vnd.oci.empty.v1+json",
} as const;

/** @see Docker, "Image Manifest Version 2, Schema 2" */
export const DOCKER = {
  index: "application/vnd.docker.distribution.manifest.list.v2+json",
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  layerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

/** Every kind of manifest that is understood. */
export const MANIFESTS: readonly string[] = [
  OCI.index,
  OCI.manifest,
  DOCKER.index,
  DOCKER.manifest,
];

/** Whether a manifest of this type lists others. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI.index || mediaType === DOCKER.index;
}
