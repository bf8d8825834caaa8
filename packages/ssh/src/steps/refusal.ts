import { type LockstepError, stepConflict, type WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { remoteFailed, uploadIncomplete } from "../errors.ts";
import { whyFenced } from "../fence.ts";
import type { Ran } from "../host.ts";
import { REFUSED } from "../layout.ts";

/** What a script was to do, for the error when it did not. */
export interface Wish {
  readonly path: string;
  /** For people: `Uploading`. */
  readonly what: string;
  /** The thing that somebody else may have changed, and what this run had seen of it. */
  readonly thing: string;
  readonly wanted: string | null;
}

/** The error for a script that wrote nothing, or not everything. */
export async function refusalOf(
  ctx: WriteContext<SshConnection>,
  { path, what, thing, wanted }: Wish,
  ran: Ran,
): Promise<LockstepError> {
  const host = hostOf(ctx.connection, ctx.unit);
  const found = ran.stdout.trim();
  switch (ran.status) {
    case REFUSED.fenced:
      return (
        (await whyFenced(ctx, host, { path, stamp: ctx.stamp })) ?? remoteFailed(host, what, ran)
      );
    case REFUSED.conflict:
      return stepConflict(`${thing} on ${host.name}`, {
        wanted,
        found: found === "" ? null : found,
      });
    case REFUSED.incomplete:
      return uploadIncomplete(host, ran.stderr);
    default:
      return remoteFailed(host, what, ran);
  }
}
