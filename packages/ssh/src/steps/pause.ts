import { setTimeout as sleep } from "node:timers/promises";
import type { Check, CheckResult } from "@lockstep/plugin";
import type { SshConnection } from "../connection.ts";

/** How long nothing happens. */
export type PauseInput = { readonly ms: number };

/** Lets time pass between two waves: what fails late is to fail on few hosts. */
export const pause: Check<PauseInput, SshConnection> = {
  kind: "ssh.pause/1",

  describe({ ms }) {
    return `wait ${ms / 1000} s before the next hosts`;
  },

  async check({ ms }, { signal }): Promise<CheckResult> {
    await sleep(ms, undefined, { signal });
    return { status: "pass" };
  },
};
