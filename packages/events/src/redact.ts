import { type Json, SHORTEST_SECRET } from "@lockstep/plugin";

const BLANK = "[secret]";

/** Knows every secret value read so far, in all the forms in which it may turn up. */
export interface Redactor {
  /** Blanks the value out from now on; values under 6 characters are ignored, they would hit by chance. */
  add(value: string): void;
  text(text: string): string;
  json<Value extends Json>(value: Value): Value;
  /** For text that arrives in parts: keeps back what may be the beginning of a secret. */
  stream(): RedactedStream;
}

/** Text that arrives in parts. */
export interface RedactedStream {
  /** Takes the next part and returns what is safe to show by now. */
  push(part: string): string;
  /** Returns what was kept back. */
  end(): string;
}

/** Makes a redactor that knows no secret yet. */
export function createRedactor(): Redactor {
  const forms = new Set<string>();
  let pattern: RegExp | undefined;

  const text = (input: string): string => {
    if (forms.size === 0) return input;
    pattern ??= new RegExp(longestFirst(forms).map(escapeRegExp).join("|"), "g");
    return input.replace(pattern, BLANK);
  };

  return {
    add(value) {
      for (const form of formsOf(value)) forms.add(form);
      pattern = undefined;
    },
    text,
    json: (value) => redactJson(value, text) as typeof value,
    stream: () => redactedStream(forms, text),
  };
}

function redactedStream(
  forms: ReadonlySet<string>,
  text: (input: string) => string,
): RedactedStream {
  let kept = "";
  return {
    push(part) {
      const safe = text(kept + part);
      const open = beginningOfSecret(safe, forms);
      kept = safe.slice(safe.length - open);
      return safe.slice(0, safe.length - open);
    },
    end() {
      const rest = text(kept);
      kept = "";
      return rest;
    },
  };
}

/** Length of the longest end of `text` that a secret could begin with. */
function beginningOfSecret(text: string, forms: ReadonlySet<string>): number {
  let longest = 0;
  for (const form of forms) {
    for (let length = Math.min(form.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(form.slice(0, length))) longest = length;
    }
  }
  return longest;
}

function redactJson(value: Json | undefined, text: (input: string) => string): Json | undefined {
  if (typeof value === "string") return text(value);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item: Json) => redactJson(item, text) ?? null);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [text(key), redactJson(item, text)]),
  );
}

function formsOf(value: string): string[] {
  const lines = value.split(/\r?\n/);
  const plain = [value, ...(lines.length > 1 ? lines : [])];
  return plain
    .flatMap((text) => [
      text,
      JSON.stringify(text).slice(1, -1),
      encodeURIComponent(text),
      encodeURIComponent(text).replaceAll("%20", "+"),
      ...base64Forms(text),
    ])
    .filter((form) => form.length >= SHORTEST_SECRET);
}

/**
 * What a text looks like inside a longer base64 text, for each of the three ways its bytes can fall.
 *
 * @see RFC 4648, section 4: three bytes make four characters, so only whole characters are kept.
 */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64url");
    const whole = Math.floor(((before + bytes.length) * 8) / 6);
    const inner = encoded.slice(Math.ceil((before * 8) / 6), whole);
    return [inner, inner.replaceAll("-", "+").replaceAll("_", "/")];
  });
}

function longestFirst(forms: ReadonlySet<string>): string[] {
  return [...forms].toSorted((left, right) => right.length - left.length);
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
