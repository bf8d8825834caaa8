import { type Json, secret } from "@lockstep/plugin";
import type { CrashModule } from "@lockstep/testkit";
import { ssh, type SshOptions } from "../../src/index.ts";

/** How a target is made, in the test and in the processes that are killed. */
export type Made = { readonly options: Json; readonly folder: string };

/** A target whose releases hold a secret where its options say so: options are plain data, secrets are not. */
export function targetOf(options: Json): ReturnType<typeof ssh> {
  const written = options as unknown as SshOptions;
  if (written.container !== undefined) return ssh(written);
  return ssh({ ...written, envFile: { path: "config/.env", values: { TOKEN: secret("TOKEN") } } });
}

/** The same target in any process. */
const open: CrashModule = async (state) => {
  const { options, folder } = state as Made;
  return { target: targetOf(options), folder };
};

// The suite imports the module by its address and calls what it exports by default.
// oxlint-disable-next-line import/no-default-export
export default open;
