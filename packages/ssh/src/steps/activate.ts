import type { Reverted, Step, TargetContext, WriteContext } from "@lockstep/plugin";
import { hostAsking, hostOf, type SshConnection } from "../connection.ts";
import { currentForeign, releaseGone, remoteFailed } from "../errors.ts";
import { aboutLink } from "../foretold.ts";
import { newNonce } from "../framing.ts";
import type { Ran, RemoteHost } from "../host.ts";
import { foreignReleaseOf, linkTo, NOT_A_LINK, REFUSED, releaseOf, stampName } from "../layout.ts";
import { oneLine } from "../output.ts";
import { readable } from "../shell.ts";
import { commandText } from "../user-command.ts";
import { ACTIVATE, FORGET, GO_BACK, INSPECT, OURS } from "./activate-scripts.ts";
import { type ContainerInput, followContainer, stopContainer } from "./container.ts";
import { drainHost, isDrained, undrainHost } from "./drain.ts";
import { refusalOf } from "./refusal.ts";
import { runInStep } from "./run-in-step.ts";
import { followLink, type ServiceInput, serviceWords } from "./service.ts";
import { armScript } from "./watch-scripts.ts";

/** Which release becomes live, and what follows the link in both directions. */
export type ActivateInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Program and arguments. */
  readonly restart?: readonly string[];
  /** Names of the variables that commands get; the values are in the config. */
  readonly env?: readonly string[];
  readonly service?: ServiceInput;
  readonly container?: ContainerInput;
  /** Program and arguments, run before the link moves and once the service followed. */
  readonly drain?: readonly string[];
  readonly undrain?: readonly string[];
  /** True when another step undrains the host, after its checks. */
  readonly undrainLater?: boolean;
  /** Milliseconds after which the host goes back by itself. */
  readonly confirmWithinMs?: number;
  /** True when `current` may be of another tool. */
  readonly adopt?: boolean;
};

/** The text of `current`, `releases/<id>`, or null on a first deploy. */
export type ActivateBefore = { readonly previous: string | null };

/** One move of the link. */
interface Move {
  readonly input: ActivateInput;
  readonly before: ActivateBefore;
}

/** Makes a complete release the live one, and has what serves it follow. */
export const activate: Step<ActivateInput, ActivateBefore, null, SshConnection> = {
  kind: "ssh.activate/1",

  describe(input) {
    const { release, path, restart, service, container, drain, undrain, undrainLater } = input;
    const isUndrained = undrain !== undefined && undrainLater !== true;
    const then = [
      ...(restart === undefined ? [] : [`run ${readable(restart)}`]),
      ...(container === undefined ? [] : [`replace the container ${container.name}`]),
      ...(service === undefined ? [] : [`${service.action} ${service.systemd}`]),
      ...(isUndrained ? [`undrain the host with ${readable(undrain)}`] : []),
    ];
    const before = drain === undefined ? "" : `drain the host with ${readable(drain)}, `;
    const link = `${before}point ${path}/current at ${linkTo(release)}`;
    return oneLine(then.length === 0 ? link : `${link}, then ${then.join(" and ")}`);
  },

  async inspect({ path, adopt }, ctx) {
    const { host, said } = hostAsking(ctx.connection, ctx.unit, aboutLink(path));
    const text = (said ?? (await readLink(ctx, host, path))).replace(/\n$/, "");
    const isAdopted = adopt === true && foreignReleaseOf(text, path) !== undefined;
    if (text !== "" && releaseOf(text) === undefined && !isAdopted) {
      throw currentForeign(
        host,
        text === NOT_A_LINK ? "is not a symbolic link" : `points at ${text}`,
      );
    }
    return { previous: text === "" ? null : text };
  },

  async apply(input, before, ctx) {
    await drainHost(input, ctx);
    await move(ACTIVATE, { input, before }, ctx);
    await arm({ input, before }, ctx);
    // also when the link was ours already: the process may have died right after it moved
    await follow(input, ctx);
    if (input.undrainLater !== true) await undrainHost(input, ctx);
    return null;
  },

  async revert(input, before, ctx): Promise<Reverted> {
    const ours = isDrained(input) ? await state({ input, before }, ctx) : [];
    if (ours.includes("moved")) {
      // a host that cannot be drained is put back all the same
      await drainHost(input, ctx).catch((cause: unknown) => ctx.log(`${String(cause)}\n`));
    }
    const { stdout } = await move(GO_BACK, { input, before }, ctx);
    const found = stdout.trim();
    if (found === "restored") await followBack({ input, before }, ctx);
    if (ours.length > 0) await undrainHost(input, ctx);
    if (found !== "restored") return found === "untouched" ? "untouched" : "conflict";
    await move(FORGET, { input, before }, ctx);
    return "restored";
  },
};

async function readLink(ctx: TargetContext, host: RemoteHost, path: string): Promise<string> {
  const ran = await host.run(ctx, { text: INSPECT, values: { P: path } });
  if (ran.status !== 0) throw remoteFailed(host, "Reading the link", ran);
  return ran.stdout;
}

async function state(move_: Move, ctx: WriteContext<SshConnection>): Promise<readonly string[]> {
  const { path } = move_.input;
  const host = hostOf(ctx.connection, ctx.unit);
  const laidOut = await host.run(ctx, {
    text: '[ -f "$P/.lockstep/layout" ]',
    values: { P: path },
  });
  if (laidOut.status !== 0) return [];
  const { stdout } = await move(OURS, move_, ctx);
  return stdout.split("\n").filter((line) => line !== "");
}

/** Whatever serves the release takes the one that the link points at. */
async function follow(
  { restart, service, container, path }: ActivateInput,
  ctx: WriteContext<SshConnection>,
): Promise<void> {
  if (container !== undefined) await followContainer(ctx, path, container);
  if (restart !== undefined) await runInStep(ctx, { words: restart, path });
  if (service !== undefined) await followLink(ctx, path, service);
}

/** The same after the way back; where there was nothing, nothing is to run. */
async function followBack(
  { input, before }: Move,
  ctx: WriteContext<SshConnection>,
): Promise<void> {
  if (before.previous !== null) return follow(input, ctx);
  if (input.container !== undefined) await stopContainer(ctx, input.path, input.container);
}

/** Has the host go back by itself when nobody confirms in time. */
async function arm({ input, before }: Move, ctx: WriteContext<SshConnection>): Promise<void> {
  const { restart, service, undrain, confirmWithinMs, path } = input;
  if (confirmWithinMs === undefined || before.previous === null) return;
  const host = hostOf(ctx.connection, ctx.unit);
  const commands = restart === undefined ? [] : [restart];
  if (service !== undefined) commands.push(serviceWords(service));
  const texts = await Promise.all(
    commands.map(async (words) => `(${await commandText(ctx, ctx.connection, { host, words })}\n)`),
  );
  if (undrain !== undefined) {
    // nobody else may come to do it, and it may run twice
    const text = await commandText(ctx, ctx.connection, { host, words: undrain });
    texts.push(`(cd "$P" || exit\n${text}\n)`);
  }
  const values = {
    ...valuesOf({ input, before }, ctx),
    SECS: String(Math.ceil(confirmWithinMs / 1000)),
  };
  const ran = await host.exec(ctx, { text: armScript(texts.join("\n")), values });
  if (ran.status === 0) return;
  const thing = `${path}/current`;
  throw await refusalOf(ctx, { path, what: "Leaving a watch", thing, wanted: null }, ran);
}

function valuesOf(
  { input, before }: Move,
  ctx: WriteContext<SshConnection>,
): Record<string, string> {
  return {
    P: input.path,
    ID: input.release,
    PREVIOUS: before.previous ?? "",
    RUN: ctx.run,
    STAMP: stampName(ctx.stamp),
    N: newNonce(),
    ADOPT: input.adopt === true ? "yes" : "",
  };
}

async function move(text: string, one: Move, ctx: WriteContext<SshConnection>): Promise<Ran> {
  const { release, path } = one.input;
  const host = hostOf(ctx.connection, ctx.unit);
  const ran = await host.run(ctx, { text, values: valuesOf(one, ctx) });
  if (ran.status === 0) return ran;
  if (ran.status === REFUSED.notReady) throw releaseGone(host, release);
  const wish = { path, what: "Moving the link", thing: `${path}/current` };
  throw await refusalOf(ctx, { ...wish, wanted: one.before.previous }, ran);
}
