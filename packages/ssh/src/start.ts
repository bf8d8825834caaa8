import { bestOf, type Compression } from "./compress.ts";
import type { HostFacts, Ref } from "./facts.ts";
import type { RemoteHost } from "./host.ts";

/** What planning found on a host that an upload starts from. The host says so when it is no longer true. */
export interface Start {
  /** Id of the release that is to be there. */
  readonly release: string;
  readonly compression: Compression;
  /** A release with the same content, else the live one. */
  readonly base?: Ref;
}

const known = new WeakMap<RemoteHost, Start>();

/** Remembers what an upload of some content to a host can start from. */
export function rememberStart(
  host: RemoteHost,
  facts: HostFacts,
  {
    release,
    digest,
    live,
  }: { readonly release: string; readonly digest: string; readonly live: Ref | null },
): void {
  const same = facts.releases.findLast((one) => one.state === "ready" && one.digest === digest);
  const base = same === undefined ? live : { release: same.id, digest };
  const compression = bestOf(facts.tools);
  known.set(host, { release, compression, ...(base === null ? {} : { base }) });
}

/** What an upload can start from, where it was planned on this connection. */
export function startOn(host: RemoteHost): Start | undefined {
  return known.get(host);
}
