import { type Reverted, type Step, type WriteContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { envText } from "../env-file.ts";
import { releaseGone, remoteFailed } from "../errors.ts";
import { newNonce } from "../framing.ts";
import { type FurnishInput, keyOf, NOTHING, sealOf } from "../furnishing.ts";
import type { Ran } from "../host.ts";
import { linkTo, REFUSED, stampName } from "../layout.ts";
import { oneLine } from "../output.ts";
import { sharedConflict, sharedMissing } from "../release-errors.ts";
import { readSecrets } from "../secrets.ts";
import { readable } from "../shell.ts";
import { FORGET, FURNISH, INSPECT, NOTE } from "./furnish-scripts.ts";
import { refusalOf } from "./refusal.ts";
import { runInStep } from "./run-in-step.ts";

/** Name of what the release was furnished with; null before. */
export type FurnishBefore = { readonly furnished: string | null };

/** Links what is shared, writes the variables and runs the user's preparation, where nobody sees it yet. */
export const furnish: Step<FurnishInput, FurnishBefore, null, SshConnection> = {
  kind: "ssh.furnish/1",

  describe({ release, path, shared, envFile, prepare }) {
    const parts = [
      ...(shared.length === 0 ? [] : [`link ${shared.map((one) => one.path).join(", ")}`]),
      ...(envFile === undefined ? [] : [`write ${envFile.path}`]),
      ...(prepare === undefined ? [] : [`run ${readable(prepare)}`]),
    ];
    return oneLine(`${parts.join(", ")} in ${path}/${linkTo(release)}`);
  },

  async inspect({ release, path }, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const ran = await host.run(ctx, { text: INSPECT, values: { P: path, ID: release } });
    if (ran.status !== 0) throw remoteFailed(host, "Looking at the release", ran);
    const text = ran.stdout.trim();
    return { furnished: text === "" ? null : text };
  },

  async apply(input, _before, ctx) {
    const { release, path, prepare } = input;
    const host = hostOf(ctx.connection, ctx.unit);
    const variables = await variablesOf(input, ctx);
    const body = envBody(variables);
    const made = await host.exec(ctx, { text: FURNISH, values: valuesOf(input, ctx) }, { body });
    if (made.status !== 0) throw await refused(input, made, ctx);
    if (made.stdout.trim() === "done") return null;
    if (prepare !== undefined) {
      await runInStep(ctx, { words: prepare, folder: linkTo(release), path });
    }
    const SEAL = variables === undefined ? NOTHING : sealOf(variables, newNonce());
    const noted = await host.run(ctx, { text: NOTE, values: { ...valuesOf(input, ctx), SEAL } });
    if (noted.status !== 0) throw await refused(input, noted, ctx);
    return null;
  },

  async revert(input, _before, ctx): Promise<Reverted> {
    const host = hostOf(ctx.connection, ctx.unit);
    const values = { ...valuesOf(input, ctx), RUN: ctx.run };
    const ran = await host.run(ctx, { text: FORGET, values });
    if (ran.status !== 0) throw await refused(input, ran, ctx);
    return ran.stdout.trim() === "restored" ? "restored" : "untouched";
  },
};

function valuesOf(input: FurnishInput, ctx: WriteContext<SshConnection>): Record<string, string> {
  const { release, path, shared, replace, envFile } = input;
  const lines = shared.map(({ kind, path: name, mode }) => {
    const up = "../".repeat(name.split("/").length + 1);
    return `${kind === "dir" ? "d" : "f"} ${mode ?? "-"}\n${name}\n${up}shared/${name}\n`;
  });
  return {
    P: path,
    ID: release,
    STAMP: stampName(ctx.stamp),
    SHARED: lines.join(""),
    REPLACE: replace === true ? "yes" : "",
    ENVFILE: envFile?.path ?? "",
    KEY: keyOf(input),
  };
}

/** The variables with their values; undefined when there is no file for them. */
async function variablesOf(
  { envFile }: FurnishInput,
  ctx: WriteContext<SshConnection>,
): Promise<Readonly<Record<string, string>> | undefined> {
  if (envFile === undefined) return undefined;
  return readSecrets(ctx.connection.settings.envFile?.values ?? {}, ctx);
}

async function* envBody(
  variables: Readonly<Record<string, string>> | undefined,
): AsyncGenerator<Uint8Array> {
  if (variables !== undefined) yield Buffer.from(envText(variables));
}

async function refused(
  { release, path }: FurnishInput,
  ran: Ran,
  ctx: WriteContext<SshConnection>,
): Promise<Error> {
  const host = hostOf(ctx.connection, ctx.unit);
  const found = ran.stdout.trim();
  if (ran.status === REFUSED.notReady) return releaseGone(host, release);
  if (ran.status === REFUSED.absent) return sharedMissing(host, found);
  if (ran.status === REFUSED.conflict) return sharedConflict(host.place, found);
  const thing = `${path}/${linkTo(release)}`;
  return refusalOf(ctx, { path, what: "Furnishing the release", thing, wanted: null }, ran);
}
