import { createHash, createHmac } from "node:crypto";
import { canonicalJson, type TargetContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { MetaFacts } from "./facts.ts";
import type { SshSettings } from "./options.ts";
import { readSecrets } from "./secrets.ts";

/** What a staged release gets besides the artifact. */
export type FurnishInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Paths that become links into `shared`, sorted. */
  readonly shared: readonly {
    readonly kind: "dir" | "file";
    readonly path: string;
    readonly mode?: string | undefined;
  }[];
  /** True when what the artifact has there gives way. */
  readonly replace?: boolean;
  /** File with variables, and their names; the values are in the config. */
  readonly envFile?: { readonly path: string; readonly names: readonly string[] };
  /** Program and arguments, run in the release. */
  readonly prepare?: readonly string[];
};

/** What a release on a host was furnished with, as its meta says it. */
export type Furnished = Pick<MetaFacts, "key" | "seal">;

/** Stands where there is nothing. */
export const NOTHING = "-";

/** What a release gets besides the artifact; undefined when that is nothing. */
export function furnishInput(settings: SshSettings, release: string): FurnishInput | undefined {
  const { path, shared, envFile, prepare } = settings;
  const links = [
    ...shared.dirs.map((one) => ({
      kind: "dir" as const,
      path: one.path,
      ...(one.mode === undefined ? {} : { mode: one.mode }),
    })),
    ...shared.files.map((file) => ({ kind: "file" as const, path: file })),
  ];
  if (links.length === 0 && envFile === undefined && prepare === undefined) return undefined;
  return {
    release,
    path,
    shared: links,
    ...(shared.onConflict === "replace" ? { replace: true } : {}),
    ...(envFile === undefined
      ? {}
      : { envFile: { path: envFile.path, names: Object.keys(envFile.values).toSorted() } }),
    ...(prepare === undefined ? {} : { prepare }),
  };
}

/** Names what a release is furnished with, without the values of its variables. */
export function keyOf(input: FurnishInput): string {
  return createHash("sha256").update(canonicalJson(input)).digest("hex");
}

/**
 * Stands for the values of variables, to tell whether they are the same: `SALT:HEX`. Kept beside them, and readable by
 * the same account only: who has it can try values.
 */
export function sealOf(values: Readonly<Record<string, string>>, salt: string): string {
  const text = canonicalJson(values);
  return `${salt}:${createHmac("sha256", salt).update(text).digest("hex")}`;
}

/** The values as they are to be; undefined where a secret is not to be had here, and none where there is no file. */
export async function wantedValues(
  ctx: TargetContext & { readonly connection: SshConnection },
): Promise<Readonly<Record<string, string>> | undefined> {
  const { envFile } = ctx.connection.settings;
  return readSecrets(envFile?.values ?? {}, ctx).catch(() => undefined);
}

/**
 * What differs between how a release was furnished and how it would be now, in words; undefined when nothing does.
 *
 * @param values - Unknown ones are taken for the same.
 */
export function differenceOf(
  { key, seal }: Furnished,
  input: FurnishInput | undefined,
  values: Readonly<Record<string, string>> | undefined,
): string | undefined {
  if (key !== (input === undefined ? NOTHING : keyOf(input))) return "shared, envFile or prepare";
  if (input?.envFile === undefined || values === undefined) return undefined;
  const [salt = ""] = seal.split(":");
  return sealOf(values, salt) === seal ? undefined : input.envFile.path;
}
