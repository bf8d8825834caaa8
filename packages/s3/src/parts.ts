/** Puts pieces of any size together to parts of one size; the last is what is left. */
export async function* partsOf(
  pieces: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    let rest = piece;
    while (length + rest.byteLength >= partBytes) {
      const cut = partBytes - length;
      yield Buffer.concat([...held, rest.subarray(0, cut)]);
      rest = rest.subarray(cut);
      held = [];
      length = 0;
    }
    // a copy: whoever reads may use the same memory again
    if (rest.byteLength > 0) held.push(Uint8Array.from(rest));
    length += rest.byteLength;
  }
  if (length > 0) yield Buffer.concat(held);
}
