import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Artifact, readSource, type SourceOptions } from "@lockstep/artifact";
import { isLockstepError, type LockstepError } from "@lockstep/plugin";
import { onTestFinished, vi } from "vitest";

/** What a folder holds: text or bytes of a file, a link, a program, or an empty directory. */
export type Content =
  | string
  | Uint8Array
  | { readonly link: string }
  | { readonly program: string }
  | { readonly directory: true };

/** A folder of its own for one test, removed after it. */
export function folder(contents: Readonly<Record<string, Content>> = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "lockstep-artifact-")));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(contents)) put(join(root, path), content);
  return root;
}

/** Writes one entry, with the directories above it. */
export function put(place: string, content: Content): void {
  mkdirSync(dirname(place), { recursive: true });
  if (typeof content === "string" || content instanceof Uint8Array) {
    writeFileSync(place, content);
  } else if ("directory" in content) mkdirSync(place);
  else if ("link" in content) symlinkSync(content.link, place);
  else writeFileSync(place, content.program, { mode: 0o755 });
}

/** Sets a variable of the process until the test ends. */
export function variable(name: string, value: string): void {
  vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
}

/** The artifact of a folder. */
export function read(root: string, options: Partial<SourceOptions> = {}): Promise<Artifact> {
  return readSource(root, { folder: "/", ...options });
}

/** Paths of an artifact, in order. */
export async function pathsOf(
  root: string,
  options: Partial<SourceOptions> = {},
): Promise<string[]> {
  return (await read(root, options)).manifest.map(({ path }) => path);
}

/** The error of ours that a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<LockstepError> {
  const outcome = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!isLockstepError(outcome)) throw new Error(`No error of ours: ${String(outcome)}`);
  return outcome;
}

/** All bytes of a stream. */
export async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}
