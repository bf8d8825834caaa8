/** One way to log in that a server offers. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y;

/**
 * Reads `WWW-Authenticate`: several headers, and several challenges in one. What cannot be read ends the
 * header it is in; what came before counts.
 *
 * @see RFC 9110, section 11.6.1
 */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap((header) => parseHeader(new Cursor(header)));
}

function parseHeader(text: Cursor): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  text.skipCommas();
  while (!text.isAtEnd()) {
    const word = text.take(TOKEN);
    if (word === undefined) return challenges;
    const isScheme = !text.isNext("=");
    const current = challenges.at(-1);
    if (isScheme) {
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      text.skipSpace();
      // credentials in one piece: nothing we use, and no parameter
      if (!text.isParameterNext()) text.take(TOKEN68);
    } else {
      const value = text.value();
      if (current === undefined || value === undefined) return challenges;
      current.parameters[word.toLowerCase()] = value;
    }
    text.skipCommas();
  }
  return challenges;
}

class Cursor {
  readonly text: string;
  #at = 0;

  constructor(text: string) {
    this.text = text;
  }

  isAtEnd(): boolean {
    return this.#at >= this.text.length;
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  skipSpace(): void {
    this.take(/[ \t]*/y);
  }

  skipCommas(): void {
    this.take(/[ \t,]*/y);
  }

  isNext(character: string): boolean {
    const [from, isThere] = [this.#at, this.take(/[ \t]*/y) !== undefined];
    const found = isThere && this.text[this.#at] === character;
    this.#at = from;
    return found;
  }

  isParameterNext(): boolean {
    return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*[^=\s,]/.test(this.text.slice(this.#at));
  }

  /** What stands after `=`: a token or a quoted text with its escapes taken away. */
  value(): string | undefined {
    if (this.take(/[ \t]*=[ \t]*/y) === undefined) return undefined;
    const quoted = this.take(/"(?:[^"\\]|\\[^])*"/y);
    if (quoted !== undefined) return quoted.slice(1, -1).replace(/\\([^])/g, "$1");
    // unquoted values with characters of URLs are common, and harmless
    return this.take(/[^\s,"]+/y);
  }
}
