import type { WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { commandFailed } from "../errors.ts";
import { whyFenced } from "../fence.ts";
import { REFUSED } from "../layout.ts";
import { printable } from "../output.ts";
import { runUserCommand } from "../user-command.ts";

/**
 * Runs a command of the user's as part of a step, while the run owns the host; what it prints is told.
 *
 * @throws {LockstepError} `SSH_COMMAND_FAILED`, `FENCED`
 */
export async function runInStep(
  ctx: WriteContext<SshConnection>,
  {
    words,
    path,
    folder,
  }: { readonly words: readonly string[]; readonly path: string; readonly folder?: string },
): Promise<void> {
  const { connection, stamp } = ctx;
  const host = hostOf(connection, ctx.unit);
  const where = folder === undefined ? {} : { folder };
  const ran = await runUserCommand(ctx, connection, { host, words, stamp, ...where });
  ctx.log(printable(`${ran.stdout}${ran.stderr}`));
  if (ran.status === 0) return;
  const isFenced = ran.status === REFUSED.fenced;
  throw (
    (isFenced ? await whyFenced(ctx, host, { path, stamp }) : undefined) ??
    commandFailed(host, words, ran)
  );
}
