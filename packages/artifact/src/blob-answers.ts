/** Longer, in bytes, than the first line of any answer. */
const LONGEST_HEAD = 128;

/** A blob as git lists it. */
export interface Blob {
  /** Its name: 40 or 64 hex digits. */
  readonly object: string;
  /** Bytes. */
  readonly size: number;
}

/** Output that came, and answers that were not taken from it. */
export interface AnswerReader {
  add(piece: Buffer): void;
  /** The bytes of this blob; undefined until all are there, `unexpected` when something else is. */
  take(blob: Blob): Buffer | "unexpected" | undefined;
}

/**
 * Cuts git's output into answers: `OBJECT blob SIZE`, a line feed, the bytes, a line feed.
 *
 * @see git-cat-file(1), "BATCH OUTPUT"
 */
export function answerReader(): AnswerReader {
  let pieces: Buffer[] = [];
  let held = 0;

  return {
    add(piece) {
      const [first, ...others] = pieces;
      const isShort = first !== undefined && others.length === 0 && first.length < LONGEST_HEAD;
      pieces = isShort ? [Buffer.concat([first, piece])] : [...pieces, piece];
      held += piece.length;
    },
    take({ object, size }) {
      const head = Buffer.from(`${object} blob ${size}\n`);
      const end = head.length + size;
      const opening = pieces[0]?.subarray(0, head.length) ?? Buffer.alloc(0);
      if (!opening.equals(head.subarray(0, opening.length))) return "unexpected";
      if (held <= end) return undefined;

      const bytes = Buffer.concat(pieces, held);
      held -= end + 1;
      pieces = held === 0 ? [] : [bytes.subarray(end + 1)];
      return bytes.subarray(head.length, end);
    },
  };
}
