import type { Reverted, Step, WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { stampName } from "../layout.ts";
import { oneLine } from "../output.ts";
import { readable } from "../shell.ts";
import { DRAINED, UNDRAINED } from "./activate-scripts.ts";
import { refusalOf } from "./refusal.ts";
import { runInStep } from "./run-in-step.ts";

/** How a host is taken out of use while a release of it changes, and into use again. */
export type DrainInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Program and arguments. */
  readonly drain?: readonly string[];
  readonly undrain?: readonly string[];
};

/** Takes a host into use again, once its checks passed. What was drained is undrained by the activation's revert. */
export const undrain: Step<DrainInput, null, null, SshConnection> = {
  kind: "ssh.undrain/1",

  describe({ undrain: words = [] }) {
    return oneLine(`undrain the host with ${readable(words)}`);
  },

  async inspect() {
    return null;
  },

  async apply(input, _before, ctx) {
    await undrainHost(input, ctx);
    return null;
  },

  async revert(): Promise<Reverted> {
    return "untouched";
  },
};

/**
 * Takes the host out of use. The marker comes first, so that it is taken into use again whatever happens.
 *
 * @throws {LockstepError} `SSH_COMMAND_FAILED`, `FENCED`
 */
export async function drainHost(
  input: DrainInput,
  ctx: WriteContext<SshConnection>,
): Promise<void> {
  if (!isDrained(input)) return;
  await mark(DRAINED, input, ctx);
  if (input.drain !== undefined) await runWords(input.drain, input, ctx);
}

/**
 * Takes the host into use again.
 *
 * @throws {LockstepError} `SSH_COMMAND_FAILED`, `FENCED`
 */
export async function undrainHost(
  input: DrainInput,
  ctx: WriteContext<SshConnection>,
): Promise<void> {
  if (!isDrained(input)) return;
  if (input.undrain !== undefined) await runWords(input.undrain, input, ctx);
  await mark(UNDRAINED, input, ctx);
}

/** Whether hosts are taken out of use at all. */
export function isDrained({
  drain,
  undrain: words,
}: Pick<DrainInput, "drain" | "undrain">): boolean {
  return drain !== undefined || words !== undefined;
}

async function runWords(
  words: readonly string[],
  { path }: DrainInput,
  ctx: WriteContext<SshConnection>,
): Promise<void> {
  await runInStep(ctx, { words, path, folder: "." });
}

async function mark(
  text: string,
  { release, path }: DrainInput,
  ctx: WriteContext<SshConnection>,
): Promise<void> {
  const host = hostOf(ctx.connection, ctx.unit);
  const values = { P: path, ID: release, RUN: ctx.run, STAMP: stampName(ctx.stamp) };
  const ran = await host.run(ctx, { text, values });
  if (ran.status === 0) return;
  const thing = `${path}/current`;
  throw await refusalOf(ctx, { path, what: "Noting the drain", thing, wanted: null }, ran);
}
