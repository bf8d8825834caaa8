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

/** How long, in milliseconds, a look counts as recent. */
const RECENT_MS = 1_000;

/** Makes the control of a site; reads nothing yet. */
export function openControl(bucket: Bucket, key: string): Control {
  const place = { bucket, key };
  let last: ReadPointer | undefined;
  let lookedAt = -Infinity;
  const read = async (options?: CallOptions): Promise<Pointer> => {
    last = undefined;
    lookedAt = -Infinity;
    const started = performance.now();
    last = await readPointer(place, options);
    lookedAt = started;
    return last.pointer;
  };
  return {
    place,
    read,
    async recent(options) {
      const isRecent = last !== undefined && performance.now() - lookedAt < RECENT_MS;
      return isRecent && last !== undefined ? last.pointer : read(options);
    },
    known: async (options) => last?.pointer ?? read(options),
    async write(next, options) {
      const base = last ?? (await readPointer(place, options));
      last = undefined; // until it is known what became of it
      lookedAt = -Infinity;
      const { conditions, begun } = base.pointer; // kept by every write that does not say otherwise
      const all = { conditions, begun, ...next };
      last = await writePointer(place, { read: base, next: all }, options);
    },
    refuseOlder: (pointer, stamp) => refuseOlder(place, pointer, stamp),
  };
}
