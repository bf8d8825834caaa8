import { access } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isLockstepError } from "@lockstep/plugin";
import { checkConfig, type Config } from "./config.ts";
import { configBroken, configMissing, nodeTooOld, pluginMissing } from "./errors.ts";

/** Names that are looked for, in this order. */
export const CONFIG_FILES: readonly string[] = [
  "lockstep.config.ts",
  "lockstep.config.js",
  "lockstep.config.mjs",
];

/** How a config is to be found. */
export interface LoadRequest {
  /** Where the command was started; absolute. */
  readonly cwd: string;
  /** Path the user gave, relative to `cwd`; without it the names above are tried in `cwd`. */
  readonly file?: string;
  /** True on a CI machine. */
  readonly ci: boolean;
  /** `process.versions.node`. */
  readonly nodeVersion: string;
}

/**
 * Loads and checks a config file with a plain `import()`: Node itself strips the types.
 *
 * @throws {LockstepError} `NODE_TOO_OLD` below 22.18, `CONFIG_MISSING`, `CONFIG_BROKEN`, `PLUGIN_MISSING`,
 *   `PLUGIN_INCOMPATIBLE`, `CONFIG_INVALID` with every problem at once
 */
export async function loadConfig(request: LoadRequest): Promise<Config> {
  if (isOlder(request.nodeVersion, [22, 18])) throw nodeTooOld(request.nodeVersion);
  const path = await findConfig(request);
  const written = await importConfig(path);
  return checkConfig(written, { file: basename(path), folder: dirname(path), ci: request.ci });
}

async function findConfig({ cwd, file }: LoadRequest): Promise<string> {
  const names = file === undefined ? CONFIG_FILES : [file];
  for (const name of names) {
    const path = resolve(cwd, name);
    if (await isThere(path)) return path;
  }
  throw configMissing(join(cwd, file ?? ""), names);
}

async function importConfig(path: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
    return module.default;
  } catch (cause) {
    if (isLockstepError(cause)) throw cause;
    const missing = missingPackage(cause);
    throw missing === undefined
      ? configBroken(basename(path), cause)
      : pluginMissing(missing, cause);
  }
}

/** Name of the package that the config imports and Node did not find. */
function missingPackage(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !("code" in cause)) return undefined;
  if (cause.code !== "ERR_MODULE_NOT_FOUND") return undefined;
  return /Cannot find package '([^']+)'/.exec(cause.message)?.[1];
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number);
  return foundMajor < major || (foundMajor === major && foundMinor < minor);
}
