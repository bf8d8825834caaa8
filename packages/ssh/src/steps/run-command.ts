import type { Check, CheckResult } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { lastLine, oneLine } from "../output.ts";
import { readable } from "../shell.ts";
import { runUserCommand } from "../user-command.ts";

/** The command that judges a release. */
export type CommandCheckInput = {
  /** Path of the target on the host. */
  readonly path: string;
  /** Program and arguments. */
  readonly command: readonly string[];
};

/** Runs a command in the live release; status 0 is a pass. */
export const checkCommand: Check<CommandCheckInput, SshConnection> = {
  kind: "ssh.check-command/1",

  describe({ command }) {
    return oneLine(`run ${readable(command)} on the host`);
  },

  async check({ command }, ctx): Promise<CheckResult> {
    const host = hostOf(ctx.connection, ctx.unit);
    const ran = await runUserCommand(ctx, ctx.connection, { host, words: command });
    const said = lastLine(`${ran.stdout}\n${ran.stderr}`);
    return {
      status: ran.status === 0 ? "pass" : "fail",
      wanted: "status 0",
      found: said === "" ? `status ${ran.status}` : `status ${ran.status}: ${said}`,
    };
  },
};
