import type { Step } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { remoteFailed } from "../errors.ts";
import { linkTo, OWNED, stampName } from "../layout.ts";
import { oneLine } from "../output.ts";
import { readable } from "../shell.ts";
import { refusalOf } from "./refusal.ts";
import { runInStep } from "./run-in-step.ts";

/** A task that runs once for a release. */
export type OnceInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Names the marker. */
  readonly name: string;
  /** Program and arguments. */
  readonly run: readonly string[];
};

const INSPECT = `
if [ -f "$P/.lockstep/meta/$ID/once.$NAME" ]; then echo 'done'; fi`;

const NOTE = `${OWNED}
cd "$S/meta/$ID" && printf '%s\\n' "$RUN" >"once.$NAME.new" && mv -f "once.$NAME.new" "once.$NAME" && flush`;

/**
 * Runs a command in the staged release, unless its marker says that it did. The marker is written after the
 * command: a run that dies in between runs it a second time.
 */
export const once: Step<OnceInput, { readonly done: boolean }, null, SshConnection> = {
  kind: "ssh.once/1",

  describe({ release, run }) {
    return oneLine(`run ${readable(run)}, once for ${release}`);
  },

  async inspect({ release, path, name }, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const values = { P: path, ID: release, NAME: name };
    const ran = await host.run(ctx, { text: INSPECT, values });
    if (ran.status !== 0) throw remoteFailed(host, "Looking for the marker", ran);
    return { done: ran.stdout.trim() === "done" };
  },

  async apply(input, _before, ctx) {
    // the marker is looked at anew: this may be the second try
    if ((await once.inspect(input, ctx)).done) return null;
    const { release, path, name, run: words } = input;
    await runInStep(ctx, { words, folder: linkTo(release), path });
    const host = hostOf(ctx.connection, ctx.unit);
    const values = { P: path, ID: release, NAME: name, STAMP: stampName(ctx.stamp), RUN: ctx.run };
    const ran = await host.run(ctx, { text: NOTE, values });
    if (ran.status === 0) return null;
    const thing = `${path}/.lockstep/meta/${release}`;
    throw await refusalOf(ctx, { path, what: "Noting the task", thing, wanted: null }, ran);
  },
};
