import type { Stamp } from "@lockstep/plugin";
import type { Bucket, CallOptions } from "./bucket.ts";
import {
  type Pointer,
  type PointerPlace,
  readPointer,
  type ReadPointer,
  refuseOlder,
  writePointer,
} from "./pointer.ts";

/** The control object of one site, and what this process knows of it. */
export interface Control {
  readonly place: PointerPlace;
  /** Reads it. */
  read(options?: CallOptions): Promise<Pointer>;
  /**
   * What a write of this connection has made it a moment ago, once for each write; else reads it. Also where
   * the server ignores conditions, which would let such a write go over a newer one.
   */
  look(options?: CallOptions): Promise<Pointer>;
  /** What was read a moment ago, by a look at what is live just before; else reads it. */
  recent(options?: CallOptions): Promise<Pointer>;
  /** What was read or written last; else reads it. Whoever builds a write on it is told when it is out of date. */
  known(options?: CallOptions): Promise<Pointer>;
  /**
   * Replaces what was read or written last.
   *
   * @throws {LockstepError} `STEP_CONFLICT` when it is out of date, `FENCED` when a newer run wrote it
   */
  write(next: Pointer & { readonly stamp: Stamp }, options?: CallOptions): Promise<void>;
  /** Refuses a run that is older than the one which wrote it last. */
  refuseOlder(pointer: Pointer, stamp: Stamp): void;
}

/** How long, in milliseconds, a look or a write counts as recent. */
const RECENT_MS = 1_000;

/** Makes the control of a site; reads nothing yet. */
export function openControl(bucket: Bucket, key: string): Control {
  const place = { bucket, key };
  let last: ReadPointer | undefined;
  let lookedAt = -Infinity;
  let wroteAt = -Infinity;
  const read = async (options?: CallOptions): Promise<Pointer> => {
    last = undefined;
    lookedAt = -Infinity;
    wroteAt = -Infinity;
    const started = performance.now();
    last = await readPointer(place, options);
    lookedAt = started;
    return last.pointer;
  };
  return {
    place,
    read,
    async look(options) {
      const isNew = isRecent(wroteAt);
      wroteAt = -Infinity;
      return last !== undefined && isNew && isFenced(last) ? last.pointer : read(options);
    },
    async recent(options) {
      return last !== undefined && isRecent(lookedAt) ? last.pointer : read(options);
    },
    known: async (options) => last?.pointer ?? read(options),
    async write(next, options) {
      const base = last ?? (await readPointer(place, options));
      last = undefined; // until it is known what became of it
      lookedAt = -Infinity;
      wroteAt = -Infinity;
      const { conditions, begun } = base.pointer; // kept by every write that does not say otherwise
      const all = { conditions, begun, ...next };
      const started = performance.now();
      last = await writePointer(place, { read: base, next: all }, options);
      wroteAt = started;
    },
    refuseOlder: (pointer, stamp) => refuseOlder(place, pointer, stamp),
  };
}

function isRecent(at: number): boolean {
  return performance.now() - at < RECENT_MS;
}

/** Whether a write that is built on it is refused when it is out of date. */
function isFenced({ pointer }: ReadPointer): boolean {
  return pointer.conditions?.verdict === "obeyed";
}
