import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";

/**
 * Compresses a stream, no faster than it is read; an error of the source comes out of the result.
 *
 * At the lowest level: text compresses well at that already, and a deploy is not to wait for the processor.
 */
export function gzipped(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  pipeline(Readable.from(bytes), gzip, () => undefined);
  return gzip;
}
