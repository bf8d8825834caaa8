export type {
  Artifact,
  Entry,
  FileEntry,
  Manifest,
  Reading,
  Seen,
  SourceOptions,
  WrittenSource,
} from "./artifact.ts";
export { type Comparison, compareManifests } from "./compare.ts";
export type { Digest } from "./digest.ts";
export { artifactErrors } from "./errors.ts";
export type { GuardName } from "./guards.ts";
export { manifestDigest, manifestText, parseManifest } from "./manifest.ts";
export { readSource, seeSource } from "./source.ts";
export { type TarOptions, type TrailerMember, tarStream } from "./tar.ts";
