import { lookup } from "mrmime";

const TEXT =
  /^(?:text\/|application\/(?:javascript|json|manifest\+json|xml|[a-z.+-]+\+(?:json|xml))$|image\/svg\+xml$)/u;

/**
 * The `Content-Type` an object is sent with: from the name alone and one bundled table, so that it is the same on every OS.
 *
 * Text is declared as UTF-8; a name without a known extension is `application/octet-stream`.
 */
export function contentType(key: string): string {
  const name = key.slice(key.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  const type = dot === -1 ? undefined : lookup(name.slice(dot + 1).toLowerCase());
  if (type === undefined) return "application/octet-stream";
  return TEXT.test(type) ? `${type}; charset=utf-8` : type;
}
