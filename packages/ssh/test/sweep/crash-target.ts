import type { Json } from "@lockstep/plugin";
import type { CrashModule } from "@lockstep/testkit";
import { ssh, type SshOptions } from "../../src/index.ts";

/** How a target is made, in the test and in the processes that are killed. */
export type Made = { readonly options: Json; readonly folder: string };

/** The same target in any process. */
const open: CrashModule = async (state) => {
  const { options, folder } = state as Made;
  return { target: ssh(options as unknown as SshOptions), folder };
};

// The suite imports the module by its address and calls what it exports by default.
// oxlint-disable-next-line import/no-default-export
export default open;
