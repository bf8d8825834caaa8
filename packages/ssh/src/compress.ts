import { pipeline, Readable } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";

/** How an upload is packed on its way. */
export type Compression = "zstd" | "gzip" | "none";

/** Bytes that are handed on at once: by default so few that packets are half empty. */
const PIECE = 128 * 1024;

/** The best of what a host can unpack, out of the names it printed. */
export function bestOf(names: readonly string[]): Compression {
  if (names.includes("zstd")) return "zstd";
  return names.includes("gzip") ? "gzip" : "none";
}

/**
 * Compresses a stream, no faster than it is read; an error of the source comes out of the result.
 *
 * At the lowest level: text compresses well at that already, and a deploy is not to wait for the processor.
 */
export function compressed(
  bytes: AsyncIterable<Uint8Array>,
  how: Compression,
): AsyncIterable<Uint8Array> {
  if (how === "none") return bytes;
  const packer =
    how === "gzip"
      ? createGzip({ chunkSize: PIECE, level: constants.Z_BEST_SPEED })
      : createZstdCompress({
          chunkSize: PIECE,
          params: { [constants.ZSTD_c_compressionLevel]: 1 },
        });
  // by bytes: sixteen pieces, which it would hold otherwise, are 8 MiB for each host
  pipeline(Readable.from(bytes, { objectMode: false }), packer, () => undefined);
  return packer;
}
