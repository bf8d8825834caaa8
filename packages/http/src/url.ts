/** What stands for the id of the release in texts of a check. */
export const RELEASE = "{release}";

/** What is wrong with a URL, without repeating it: it may hold a password. Undefined when nothing is. */
export function problemOfUrl(text: string): string | undefined {
  const url = parse(text);
  if (url === undefined || !isHttp(url)) return "This is not an http or https URL";
  if (url.username === "" && url.password === "") return undefined;
  return "This URL holds a user or password; name a secret in send: { authorization: secret(…) }";
}

/** The URL a redirect leads to; undefined when there is none that may be followed. */
export function redirectTarget(location: string | null, from: string): string | undefined {
  const url = location === null ? undefined : parse(location, from);
  if (url === undefined || problemOfUrl(url.href) !== undefined) return undefined;
  return url.href;
}

/** A URL as messages, plans and places may show it: without user, fragment, and values of the query. */
export function printUrl(text: string): string {
  const url = parse(text);
  if (url === undefined) return "an invalid URL";
  const names = [...url.searchParams.keys()].map((name) => `${encodeURIComponent(name)}=…`);
  const path = url.pathname.replaceAll("%7Brelease%7D", RELEASE);
  return `${url.protocol}//${url.host}${path}${names.length > 0 ? `?${names.join("&")}` : ""}`;
}

function parse(text: string, base?: string): URL | undefined {
  return URL.parse(text, base) ?? undefined;
}

function isHttp({ protocol }: URL): boolean {
  return protocol === "http:" || protocol === "https:";
}
