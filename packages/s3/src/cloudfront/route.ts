/** What the router knows of a release: where its documents are, and which table lists them. */
export interface Route {
  readonly version: 1;
  /** Prefix of the site in its bucket: empty, or ends in a slash. */
  readonly base: string;
  /** 64 hex digits: documents are below `r/<id>/`. */
  readonly id: string;
  /** Name of the table, 24 hex digits. */
  readonly table: string;
  /** Parts of the table, from 1. */
  readonly parts: number;
  /** Told to the hash, so that no asset is taken for a document. */
  readonly salt: number;
  /** The document in place of pages that are missing; empty when there is none. */
  readonly fallback: string;
  /** Whether there are redirects from all below a folder. */
  readonly patterns: boolean;
}

/** The page for what is missing, at the top of a site. */
export const MISSING_PAGE = "404.html";

/** Says with which status an object or a redirect is answered; the second function follows it. */
export const STATUS_HEADER = "x-amz-meta-lockstep-status";

/** A route as it is stored: the same route is always the same text. */
export function encodeRoute(route: Route): string {
  const { version, base, id, table, parts, salt, fallback, patterns } = route;
  return JSON.stringify({ version, base, id, table, parts, salt, fallback, patterns });
}

/** The name of the release that a stored route leads to; null when it is no route of ours. */
export function releaseOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  try {
    const { version, id } = JSON.parse(text) as Partial<Route>;
    const isOurs = version === 1 && typeof id === "string" && /^[0-9a-f]{64}$/.test(id);
    return isOurs ? `sha256:${id}` : null;
  } catch {
    return null; // written by hand
  }
}
