import type { Json } from "./json.ts";
import type { Brand } from "./target.ts";

/** A stored value and the tag that a conditional write must name. */
export interface Stored {
  readonly body: Uint8Array;
  /** Changes with every write of the key, also when the bytes are the same. */
  readonly tag: string;
}

/**
 * Where the runner keeps lease, journal and history: a small key-value store with conditional writes.
 *
 * Keys are `/`-separated segments of `[0-9A-Za-z._-]` that do not start with a dot, at most 512 characters. Bodies are at most
 * 64 MiB. Every write resolves once it is durable. `describeStoreContract` in `@lockstep/testkit`
 * checks every promise made here.
 */
export interface Store {
  readonly "~lockstep": Brand;
  readonly traits: {
    /** True when what was written is there after this process and this machine are gone. */
    readonly durable: boolean;
    /** True when the user said that nothing is to be recovered here; foreign lineages are then adopted. */
    readonly ephemeral?: boolean;
  };
  /** Where it is, for people: a folder or a URL, without secrets. */
  readonly place: string;
  /** How long, in milliseconds, a lease may go unrenewed before others may take it: at least 2,000, default 60,000. */
  readonly ttlMs?: number;

  get(key: string): Promise<Stored | undefined>;
  /** Writes a key that does not exist. Of any number of callers exactly one is not told `exists`. */
  create(key: string, body: Uint8Array): Promise<{ readonly tag: string } | "exists">;
  /** Replaces the value that has this tag. Of any number of callers exactly one is not told `moved`. */
  replace(key: string, body: Uint8Array, tag: string): Promise<{ readonly tag: string } | "moved">;
  remove(key: string, tag: string): Promise<"removed" | "moved">;
  /** Every key that starts with `prefix`, in ascending order; holds all that was created before the call. */
  list(prefix: string): AsyncIterable<string>;

  /**
   * Tells whether a process still runs, where that can be known: on the machine it ran on.
   * Without it only an unchanged lease shows that a holder is gone.
   */
  readonly presence?: {
    /** Describes this process, to be kept in the lease. */
    self(): Promise<Json>;
    /** `gone` and `alive` only with proof: same machine and boot, and no such process, or that very one. */
    look(other: Json): Promise<"alive" | "gone" | "unknown">;
  };
}

/** Tells whether a text may be a key of a store. */
export function isStoreKey(text: string): boolean {
  return text.length <= 512 && text.split("/").every((part) => SEGMENT.test(part));
}

const SEGMENT = /^[0-9A-Za-z_-][0-9A-Za-z._-]*$/;

/** Tells whether a value in a config was made by a store factory. */
export function isStore(value: unknown): value is Store {
  return typeof value === "object" && value !== null && "~lockstep" in value && "replace" in value;
}
