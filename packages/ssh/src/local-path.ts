import { isAbsolute, join } from "node:path";
import type { TargetContext } from "@lockstep/plugin";

/** A path of this machine: `~/` is the user's home, relative ones start at the config file. */
export function localPath(
  written: string,
  { env, folder }: Pick<TargetContext, "env" | "folder">,
): string {
  if (written.startsWith("~/")) return join(env["HOME"] ?? "/", written.slice(2));
  return isAbsolute(written) ? written : join(folder, written);
}
