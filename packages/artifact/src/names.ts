import { isUtf8 } from "node:buffer";

/** Breaks lines or moves the cursor: control characters, and the two line separators of Unicode. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;
/** Half of a character that UTF-16 writes as two; no bytes of UTF-8 stand for it. */
const LONE_SURROGATE = /\p{Cs}/u;
/** Must not reach a terminal as it is. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\\]/gu;

/** Why the name of one file or directory cannot be deployed; undefined when it can. */
export function nameProblem(name: Uint8Array): string | undefined {
  if (!isUtf8(name)) return "its name is not valid UTF-8";
  const text = Buffer.from(name).toString();
  if (text === "" || text === "." || text === ".." || text.includes("/")) {
    return "its name is not that of a file";
  }
  return textProblem(text, "its name");
}

/** Why the text of a symbolic link cannot be deployed; undefined when it can. */
export function targetProblem(target: Uint8Array): string | undefined {
  if (target.length === 0) return "its target is empty";
  if (!isUtf8(target)) return "its target is not valid UTF-8";
  return textProblem(Buffer.from(target).toString(), "its target");
}

/** Tells whether a path has the form that paths of a manifest have. */
export function isCleanPath(path: string): boolean {
  return isWellFormed(path) && path.split("/").every((name) => !nameProblem(Buffer.from(name)));
}

/** Tells whether the target of a link has the form that targets in a manifest have. */
export function isCleanTarget(target: string): boolean {
  return isWellFormed(target) && targetProblem(Buffer.from(target)) === undefined;
}

/** A name as people may see it: in quotes and with escapes when it holds anything unprintable. */
export function shown(name: string | Uint8Array): string {
  const text = typeof name === "string" ? name : Buffer.from(name).toString();
  const escaped =
    typeof name === "string" || isUtf8(name)
      ? text.replace(UNPRINTABLE, escapeCharacter)
      : Buffer.from(name)
          .toString("latin1")
          .replace(/[^ -[\]-~]/g, escapeByte);
  return escaped === text ? text : `"${escaped}"`;
}

function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

function textProblem(text: string, subject: string): string | undefined {
  if (CONTROL.test(text)) return `${subject} holds a control character`;
  if (text.includes("\\")) return `${subject} holds a backslash`;
  return undefined;
}

function escapeCharacter(character: string): string {
  if (character === "\\") return "\\\\";
  if (character === "\n") return "\\n";
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function escapeByte(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
