import type { TargetContext } from "@lockstep/plugin";
import type { Digest } from "../digest.ts";
import { insecureRefused, redirectRefused } from "../errors.ts";
import type { Answer, Body } from "../net/transport.ts";
import { isSameOrigin } from "../net/url.ts";
import type { Client } from "./client.ts";

/** With what, and in which call of the runner, a registry is asked. */
export interface Asking {
  readonly client: Client;
  readonly ctx: TargetContext;
}

/** Content that a registry is to hold. */
export interface Blob extends Body {
  readonly digest: Digest;
}

/** Where an upload goes on: resolved against where the answer came from. */
export function locationOf({ header, url }: Answer): URL {
  const location = URL.parse(header("location")[0] ?? "", url.href);
  if (location === null || header("location")[0] === undefined) {
    throw redirectRefused(url, "no place for the upload");
  }
  const isElsewhere = !isSameOrigin(location, url);
  if (isElsewhere && location.protocol !== "https:") throw insecureRefused(location);
  return location;
}
