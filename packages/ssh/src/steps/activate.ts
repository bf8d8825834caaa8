import type { Reverted, Step, WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { commandFailed, currentForeign, releaseGone, remoteFailed } from "../errors.ts";
import { whyFenced } from "../fence.ts";
import { newNonce } from "../framing.ts";
import type { Ran } from "../host.ts";
import { linkTo, NOT_A_LINK, REFUSED, releaseOf, stampName } from "../layout.ts";
import { oneLine, printable } from "../output.ts";
import { runUserCommand } from "../user-command.ts";
import { ACTIVATE, FORGET, GO_BACK, INSPECT } from "./activate-scripts.ts";
import { refusalOf } from "./refusal.ts";

/** Which release becomes live, and what follows the link in both directions. */
export type ActivateInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Program and arguments. */
  readonly restart?: readonly string[];
  /** Names of the variables the restart gets; the values are in the config. */
  readonly env?: readonly string[];
};

/** The text of `current`, `releases/<id>`, or null on a first deploy. */
export type ActivateBefore = { readonly previous: string | null };

/** Makes a complete release the live one, then restarts what serves it. */
export const activate: Step<ActivateInput, ActivateBefore, null, SshConnection> = {
  kind: "ssh.activate/1",

  describe({ release, path, restart }) {
    const link = `point ${path}/current at ${linkTo(release)}`;
    return oneLine(restart === undefined ? link : `${link}, then run ${restart.join(" ")}`);
  },

  async inspect({ path }, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const ran = await host.run(ctx, { text: INSPECT, values: { P: path } });
    if (ran.status !== 0) throw remoteFailed(host, "Reading the link", ran);
    const text = ran.stdout.replace(/\n$/, "");
    if (text !== "" && releaseOf(text) === undefined) {
      throw currentForeign(
        host,
        text === NOT_A_LINK ? "is not a symbolic link" : `points at ${text}`,
      );
    }
    return { previous: text === "" ? null : text };
  },

  async apply(input, before, ctx) {
    await move(ACTIVATE, { input, before }, ctx);
    // also when the link was ours already: the process may have died right after it moved
    await restartService(input, ctx);
    return null;
  },

  async revert(input, before, ctx): Promise<Reverted> {
    const { stdout } = await move(GO_BACK, { input, before }, ctx);
    const found = stdout.trim();
    if (found !== "restored") return found === "untouched" ? "untouched" : "conflict";
    if (before.previous !== null) await restartService(input, ctx);
    await move(FORGET, { input, before }, ctx);
    return "restored";
  },
};

async function move(
  text: string,
  { input, before }: { readonly input: ActivateInput; readonly before: ActivateBefore },
  ctx: WriteContext<SshConnection>,
): Promise<Ran> {
  const { release, path } = input;
  const host = hostOf(ctx.connection, ctx.unit);
  const ran = await host.run(ctx, {
    text,
    values: {
      P: path,
      ID: release,
      PREVIOUS: before.previous ?? "",
      RUN: ctx.run,
      STAMP: stampName(ctx.stamp),
      N: newNonce(),
    },
  });
  if (ran.status === 0) return ran;
  if (ran.status === REFUSED.notReady) throw releaseGone(host, release);
  const wish = { path, what: "Moving the link", thing: `${path}/current` };
  throw await refusalOf(ctx, { ...wish, wanted: before.previous }, ran);
}

async function restartService(
  { restart: words, path }: ActivateInput,
  ctx: WriteContext<SshConnection>,
): Promise<void> {
  if (words === undefined) return;
  const host = hostOf(ctx.connection, ctx.unit);
  const ran = await runUserCommand(ctx, ctx.connection, { host, words, stamp: ctx.stamp });
  ctx.log(printable(`${ran.stdout}${ran.stderr}`));
  if (ran.status === 0) return;
  const isFenced = ran.status === REFUSED.fenced;
  const why = isFenced ? await whyFenced(ctx, host, { path, stamp: ctx.stamp }) : undefined;
  throw why ?? commandFailed(host, words, ran);
}
