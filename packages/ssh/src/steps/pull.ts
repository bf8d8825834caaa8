import type { Step } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { containerFailed } from "../errors.ts";
import { oneLine, outputTail } from "../output.ts";

/** Which image a host has to have. */
export type PullInput = {
  readonly image: string;
  readonly engine: "podman" | "docker";
  readonly sudo: boolean;
};

/** Calls the engine, through sudo where SUDO says so. */
export const ENGINE: string = `
engine() { if [ -n "$SUDO" ]; then sudo -n "$ENGINE" "$@"; else "$ENGINE" "$@"; fi; }`;

/** The engine is asked for its state: a client without an engine is on the path of many hosts. */
const LOOK = `${ENGINE}
engine info >/dev/null || exit 2
if engine image inspect "$IMAGE" >/dev/null 2>&1; then echo there; fi`;

const PULL = `${ENGINE}
engine image inspect "$IMAGE" >/dev/null 2>&1 || engine pull "$IMAGE" >/dev/null`;

/** Fetches an image by its digest while nobody uses it. Images are left to the engine: they are named by content. */
export const pull: Step<PullInput, { readonly there: boolean }, null, SshConnection> = {
  kind: "ssh.pull/1",

  describe({ image, engine }) {
    return oneLine(`${engine} pull ${image}`);
  },

  async inspect({ image, engine, sudo }, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const values = { IMAGE: image, ENGINE: engine, SUDO: sudo ? "yes" : "" };
    const ran = await host.exec(ctx, { text: LOOK, values });
    if (ran.status !== 0) throw containerFailed(host, engine, outputTail(ran.stderr));
    return { there: ran.stdout.trim() === "there" };
  },

  async apply({ image, engine, sudo }, _before, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const values = { IMAGE: image, ENGINE: engine, SUDO: sudo ? "yes" : "" };
    const ran = await host.exec(ctx, { text: PULL, values });
    if (ran.status !== 0) throw containerFailed(host, image, outputTail(ran.stderr));
    return null;
  },

  revert: () => Promise.resolve("untouched"),
};
