import { newNonce } from "./framing.ts";
import type { Channel, Link } from "./link.ts";

/** A channel that is open or on its way, and the line that ends its script. */
export interface Opening {
  readonly nonce: string;
  readonly channel: Promise<Channel>;
}

/** At most one channel of a host that was opened before it is needed: opening one takes two round trips. */
export class Spare {
  #kept: (Opening & { readonly link: Link }) | undefined;

  /** Opens one, where the way to the host can and has none. */
  prepare(link: Link): void {
    if (link.openSpare === undefined || this.#kept?.link === link) return;
    const nonce = newNonce();
    const kept = { link, nonce, channel: link.openSpare(nonce) };
    this.#kept = kept;
    const forget = (): void => {
      if (this.#kept === kept) this.#kept = undefined;
    };
    kept.channel.then(({ closed }) => closed.then(forget), forget);
  }

  /** The one that is kept, or a new one. */
  take(link: Link): Opening {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept?.link === link) {
      // a server that allows no further channel on the connection may allow one on another
      const channel = kept.channel.catch(async () => link.open(kept.nonce));
      return { nonce: kept.nonce, channel };
    }
    const nonce = newNonce();
    return { nonce, channel: link.open(nonce) };
  }
}
