/** A URL for people: without user, password, query and fragment, which may hold signed state. */
export function shownUrl({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

/** Whether what is meant for one URL may go to the other. */
export function isSameOrigin(left: URL, right: URL): boolean {
  return left.origin === right.origin;
}

/**
 * The URL that finishes an upload: where the server said, its query kept byte for byte, and the digest.
 *
 * @see OCI distribution specification, "Pushing a blob monolithically"
 */
export function withDigest(location: URL, digest: string): URL {
  const next = new URL(location);
  const query = next.search;
  next.search = `${query === "" ? "?" : `${query}&`}digest=${encodeURIComponent(digest)}`;
  return next;
}
