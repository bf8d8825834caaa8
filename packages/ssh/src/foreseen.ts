import { nothingSeen, type Seen } from "@lockstep/artifact";
import type { HostFacts } from "./facts.ts";

/** What was found out on a connection before it was asked for. */
export interface Foreseen {
  /** By host; each is taken once. */
  readonly facts: Map<string, { readonly facts: HostFacts; readonly atMs: number }>;
  /** What was read of the source. */
  readonly seen: Seen;
  /** Settles when as much of the source was read as is going to be. */
  readonly reading?: Promise<unknown>;
  readonly stop?: AbortController;
}

const known = new WeakMap<object, Foreseen>();

/** What is known of a connection; at first nothing. */
export function foreseenOn(connection: object): Foreseen {
  const found = known.get(connection) ?? { facts: new Map(), seen: nothingSeen() };
  known.set(connection, found);
  return found;
}

/** Ends what is read for nobody, and forgets what hosts said: something is written, or the run ends. */
export function drop(connection: object): void {
  known.get(connection)?.stop?.abort();
  known.delete(connection);
}

/** The same as {@link drop}, and then something else is known. */
export function replace(connection: object, foreseen: Foreseen): void {
  drop(connection);
  known.set(connection, foreseen);
}
