import { newNonce } from "./framing.ts";
import type { Channel, Link } from "./link.ts";

/** A channel that is open or on its way, and the line that ends its script. */
export interface Opening {
  readonly nonce: string;
  readonly channel: Promise<Channel>;
}

/** Channels of a host that were opened before they are needed: opening one takes two round trips. */
export class Spare {
  #kept: (Opening & { readonly link: Link })[] = [];

  /** Opens so many, where the way to the host can, less those that it has. */
  prepare(link: Link, count: number): void {
    this.#kept = this.#kept.filter((one) => one.link === link);
    while (link.openSpare !== undefined && this.#kept.length < count) {
      const nonce = newNonce();
      const kept = { link, nonce, channel: link.openSpare(nonce) };
      this.#kept.push(kept);
      const forget = (): void => {
        this.#kept = this.#kept.filter((one) => one !== kept);
      };
      kept.channel.then(({ closed }) => closed.then(forget), forget);
    }
  }

  /** One that is kept, or a new one. */
  take(link: Link): Opening {
    const kept = this.#kept.shift();
    if (kept?.link === link) {
      // a server that allows no further channel on the connection may allow one on another
      const channel = kept.channel.catch(async () => link.open(kept.nonce));
      return { nonce: kept.nonce, channel };
    }
    const nonce = newNonce();
    return { nonce, channel: link.open(nonce) };
  }
}
