import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { secretMissing, secretTooShort, secretUnreadable } from "./errors.ts";

/** Shortest value, in characters, that is accepted as a secret: shorter ones would blank out half of every log. */
export const SHORTEST_SECRET = 6;

/** Longest time, in milliseconds, that a secret command may take. */
const COMMAND_TIMEOUT_MS = 30_000;

/** Where the value of a secret comes from. Holds names only, so it may stand in a plan. */
export type SecretSource =
  | { readonly env: string }
  | { readonly file: string }
  | { readonly command: readonly string[] };

/**
 * A value that is named here and read only by the step that needs it.
 *
 * Printing it in any way (`String`, `JSON.stringify`, `console.log`) gives `[secret NAME]`.
 */
export interface Secret {
  readonly "~lockstep.secret": SecretSource;
  /** The variable, the path or the command's first word: what messages may show. */
  readonly name: string;
  toString(): string;
  toJSON(): string;
}

/** What reading a secret may see of this machine. */
export interface SecretSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute folder that relative paths and commands start from: where the config file is. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Names a secret kept in an environment variable. */
export const secret: {
  (variable: string): Secret;
  /** Names a secret kept in a file, relative to the config file. One line break at its end is dropped. */
  file(path: string): Secret;
  /** Names a secret printed by a program, run without a shell. One line break at its end is dropped. */
  command(words: readonly string[]): Secret;
} = Object.assign((variable: string) => opaque(variable, { env: variable }), {
  file: (path: string) => opaque(path, { file: path }),
  command: (words: readonly string[]) => opaque(words[0] ?? "", { command: [...words] }),
});

/** Tells a secret from any other value, also one made by another copy of this package. */
export function isSecret(value: unknown): value is Secret {
  return typeof value === "object" && value !== null && "~lockstep.secret" in value;
}

/**
 * Reads the value of a secret.
 *
 * @throws {LockstepError} `SECRET_MISSING` when the variable is unset or the value empty,
 *   `SECRET_UNREADABLE` when the file or command fails, `SECRET_TOO_SHORT` under 6 characters.
 */
export async function readSecret(wanted: Secret, around: SecretSurroundings): Promise<string> {
  const value = await readSource(wanted, around);
  if (value === undefined || value === "") throw secretMissing(wanted.name);
  if (value.length < SHORTEST_SECRET) throw secretTooShort(wanted.name, SHORTEST_SECRET);
  return value;
}

async function readSource(wanted: Secret, around: SecretSurroundings): Promise<string | undefined> {
  const source = wanted["~lockstep.secret"];
  if ("env" in source) return around.env[source.env];
  try {
    const text =
      "file" in source ? await readText(source.file, around) : await run(source.command, around);
    return text.replace(/\r?\n$/, "");
  } catch (cause) {
    throw secretUnreadable(wanted.name, cause);
  }
}

function readText(path: string, { folder, signal }: SecretSurroundings): Promise<string> {
  const absolute = path.startsWith("/") ? path : `${folder}/${path}`;
  return readFile(absolute, { encoding: "utf8", signal });
}

async function run(words: readonly string[], around: SecretSurroundings): Promise<string> {
  const [program = "", ...rest] = words;
  const { stdout } = await promisify(execFile)(program, rest, {
    cwd: around.folder,
    env: around.env,
    signal: around.signal,
    timeout: COMMAND_TIMEOUT_MS,
  });
  return stdout;
}

function opaque(name: string, source: SecretSource): Secret {
  const print = (): string => `[secret ${name}]`;
  return Object.freeze({
    "~lockstep.secret": source,
    name,
    toString: print,
    toJSON: print,
    [Symbol.for("nodejs.util.inspect.custom")]: print,
  });
}
