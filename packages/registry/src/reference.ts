import { type Digest, isDigest } from "./digest.ts";

/** A repository of a registry. */
export interface Repository {
  /** Where its API answers, with a port when it has one: `registry-1.docker.io`, `localhost:5000`. */
  readonly host: string;
  /** How people and credential files call the registry: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  /** `/`-separated, lower case: `acme/shop`. */
  readonly path: string;
}

/** An image in a repository, by tag, by digest, or by both: then the digest counts. */
export interface Reference {
  readonly repository: Repository;
  readonly tag?: string;
  readonly digest?: Digest;
}

const HUB = "docker.io";
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^(?:[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Reads the name of a repository, `[host[:port]/]path`; undefined when it is none.
 *
 * Without a host it is one of Docker Hub, as everywhere else.
 *
 * @see OCI distribution specification, "Pulling manifests", for the characters of a path
 */
export function parseRepository(text: string): Repository | undefined {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const hasHost = first === "localhost" || /[.:]/.test(first);
  const registry = hasHost ? first : HUB;
  const path = hasHost ? text.slice(slash + 1) : text;
  if (!PATH.test(path) || path.length > 255 || !HOST.test(registry)) return undefined;
  if (registry !== HUB && registry !== "index.docker.io") {
    return { host: registry, registry, path };
  }
  const full = path.includes("/") ? path : `library/${path}`;
  return { host: "registry-1.docker.io", registry: HUB, path: full };
}

/** Reads `repository[:tag][@digest]`; undefined when it is none. */
export function parseReference(text: string): Reference | undefined {
  const at = text.indexOf("@");
  const digest = at === -1 ? undefined : text.slice(at + 1);
  const named = at === -1 ? text : text.slice(0, at);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  const repository = parseRepository(colon === -1 ? named : named.slice(0, colon));
  if (repository === undefined) return undefined;
  if (tag !== undefined && !isTag(tag)) return undefined;
  if (digest !== undefined && !isDigest(digest)) return undefined;
  return {
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** Tells whether a registry takes this text as a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** `ghcr.io/acme/shop`: as people write it. */
export function nameOf({ registry, path }: Repository): string {
  return `${registry}/${path}`;
}
