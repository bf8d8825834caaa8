/** Hosts that give the tokens of another host, by common knowledge. */
const PAIRS: Readonly<Record<string, string>> = {
  "registry-1.docker.io": "auth.docker.io",
  "registry.gitlab.com": "gitlab.com",
};

/**
 * Whether a realm may see the password for a registry: the same origin, a well-known pair, or one that the
 * user trusts by name (`auth.example.com`, or an origin, `http://127.0.0.1:5001`).
 */
export function isTrustedRealm(registry: URL, realm: URL, trusted: readonly string[]): boolean {
  if (registry.origin === realm.origin) return true;
  const isSecure = realm.protocol === "https:";
  if (isSecure && PAIRS[registry.host] === realm.host) return true;
  return trusted.some((one) => one === realm.origin || (isSecure && one === realm.host));
}
