import type { Reverted, Step, TargetContext } from "@lockstep/plugin";
import { hostAsking, hostOf, type SshConnection } from "../connection.ts";
import { remoteFailed, wayBackOpen } from "../errors.ts";
import { aboutRelease } from "../foretold.ts";
import { newNonce } from "../framing.ts";
import type { RemoteHost } from "../host.ts";
import { linkTo } from "../layout.ts";
import { oneLine } from "../output.ts";
import type { UploadInput } from "./packed.ts";
import { askHost, send } from "./send.ts";
import { INSPECT, REMOVE } from "./upload-scripts.ts";

/** What the host had under the release's id; null when nothing. */
export type UploadBefore = { readonly state: string; readonly run: string } | null;

/** Puts a release on a host where nobody sees it yet: complete and compared file by file, or not ready. */
export const upload: Step<UploadInput, UploadBefore, null, SshConnection> = {
  kind: "ssh.upload/1",

  describe({ release, path }) {
    return oneLine(`upload ${path}/${linkTo(release)}`);
  },

  async inspect({ release, path }, ctx) {
    const { host, said } = hostAsking(ctx.connection, ctx.unit, aboutRelease(path, release));
    const text = said ?? (await look(ctx, host, { path, release }));
    const [state = "", run = ""] = text.trim().split(" ");
    return state === "" ? null : { state, run };
  },

  async apply(input, before, ctx) {
    const wanted = before === null ? null : `${before.state} ${before.run}`;
    await send(ctx, input, wanted);
    return null;
  },

  async revert(input, _before, ctx): Promise<Reverted> {
    const { stdout } = await askHost(ctx, input, {
      text: REMOVE,
      more: { N: newNonce(), RUN: ctx.run },
      wanted: null,
    });
    const found = stdout.trim();
    if (found === "unsettled") throw wayBackOpen(hostOf(ctx.connection, ctx.unit), input.release);
    // live by another hand than ours: the link was put back before this is asked
    if (found === "live") return "conflict";
    return found === "removed" ? "restored" : "untouched";
  },
};

async function look(
  ctx: TargetContext,
  host: RemoteHost,
  { path, release }: { readonly path: string; readonly release: string },
): Promise<string> {
  const ran = await host.run(ctx, { text: INSPECT, values: { P: path, ID: release } });
  if (ran.status !== 0) throw remoteFailed(host, "Looking at the release", ran);
  return ran.stdout;
}
