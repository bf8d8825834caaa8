import { localStore } from "@lockstep/state";
import type { StoreCrashModule } from "@lockstep/testkit";

/** The same store in any process; the state is its folder. */
const open: StoreCrashModule = async (folder) => localStore({ folder: folder as string });

// The suite imports the module by its address and calls what it exports by default.
// oxlint-disable-next-line import/no-default-export
export default open;
