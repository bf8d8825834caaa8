import { isIP } from "node:net";
import { addressRefused, insecureRefused } from "../errors.ts";
import { type Reach, reachOf } from "./address.ts";

/** What may be asked, of whom, and over what. */
export interface NetworkPolicy {
  /**
   * Refuses a URL that must not be asked at all.
   *
   * @throws {LockstepError} `REGISTRY_INSECURE`, `REGISTRY_ADDRESS_REFUSED`
   */
  checkUrl(url: URL): void;
  /**
   * Refuses an address a name was resolved to, just before it is connected to.
   *
   * @throws {LockstepError} `REGISTRY_ADDRESS_REFUSED`
   */
  checkAddress(url: URL, address: string): void;
}

const RANK: Readonly<Record<Reach, number>> = { refused: -1, loopback: 0, private: 1, public: 2 };

/**
 * Hosts that the user named may be anywhere but, by a name, at link-local addresses; plain HTTP is for them alone and only when asked for.
 * Hosts that a registry named (realm, redirect, upload location) get HTTPS, and may be no nearer than the
 * nearest host the user named: a public registry never leads into a private network.
 *
 * @param named - Hosts of the config, with their ports.
 */
export function networkPolicy(
  named: ReadonlySet<string>,
  { plainHttp }: { readonly plainHttp: boolean },
): NetworkPolicy {
  let nearest: Reach = "public";

  function checkAddress(url: URL, address: string): void {
    const reach = reachOf(address);
    if (named.has(url.host)) {
      // who wrote the address means it; who wrote a name does not mean the metadata of a cloud
      if (reach === "refused" && isIP(literalOf(url)) === 0) throw addressRefused(url, address);
      if (reach !== "refused" && RANK[reach] < RANK[nearest]) nearest = reach;
      return;
    }
    if (reach === "refused" || RANK[reach] < RANK[nearest]) throw addressRefused(url, address);
  }

  return {
    checkAddress,
    checkUrl(url) {
      const isAsked = plainHttp && named.has(url.host);
      if (url.protocol !== "https:" && !(url.protocol === "http:" && isAsked)) {
        throw insecureRefused(url);
      }
      const literal = literalOf(url);
      if (isIP(literal) !== 0) checkAddress(url, literal);
    },
  };
}

function literalOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}
