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
export { byUtf8, manifestDigest, manifestText, parseManifest } from "./manifest.ts";
export { nothingSeen } from "./seen.ts";
export { readSource } from "./source.ts";
export { type TarOptions, type TrailerMember, tarStream } from "./tar.ts";
