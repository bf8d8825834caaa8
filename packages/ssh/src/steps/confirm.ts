import type { Check, CheckResult, Retire } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { remoteFailed, wentBack } from "../errors.ts";
import { linkTo, REFUSED, stampName } from "../layout.ts";
import { oneLine } from "../output.ts";
import { refusalOf } from "./refusal.ts";
import { CONFIRM, LEFT } from "./watch-scripts.ts";

/** A release that a host goes back from when nobody confirms it. */
export type ConfirmInput = {
  readonly release: string;
  /** Path of the target on the host. */
  readonly path: string;
  /** Milliseconds that the host waits. */
  readonly withinMs: number;
};

/** Longest time, in seconds, that is kept between the last look and the word that the release stays. */
const MARGIN_SECONDS = 10;

/** Looks whether the host still has the release, and will until it is told that it stays. */
export const held: Check<ConfirmInput, SshConnection> = {
  kind: "ssh.held/1",

  describe({ withinMs }) {
    return `see that the host still waits for the word, of ${withinMs / 1000} s`;
  },

  async check({ release, path, withinMs }, ctx): Promise<CheckResult> {
    const host = hostOf(ctx.connection, ctx.unit);
    const ran = await host.run(ctx, { text: LEFT, values: { P: path, ID: release } });
    if (ran.status !== 0) throw remoteFailed(host, "Looking at the time left", ran);
    const found = ran.stdout.trim();
    const margin = Math.min(MARGIN_SECONDS, Math.floor(withinMs / 4000));
    const wanted = `at least ${margin} s left`;
    if (found === "") return { status: "pass" };
    if (found !== "back" && Number(found) >= margin) return { status: "pass" };
    return {
      status: "fail",
      wanted,
      found: found === "back" ? "the host went back by itself" : `${found} s left`,
    };
  },
};

/** Tells the host that the release stays. */
export const confirm: Retire<ConfirmInput, SshConnection> = {
  kind: "ssh.confirm/1",

  describe({ release, path }) {
    return oneLine(`tell the host that ${path}/${linkTo(release)} stays`);
  },

  async retire({ release, path }, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const values = { P: path, ID: release, STAMP: stampName(ctx.stamp) };
    const ran = await host.run(ctx, { text: CONFIRM, values });
    if (ran.status === 0) return;
    if (ran.status === REFUSED.wentBack) throw wentBack(host, release);
    const thing = `${path}/${linkTo(release)}`;
    throw await refusalOf(ctx, { path, what: "Confirming", thing, wanted: null }, ran);
  },
};
