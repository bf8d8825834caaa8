import type { Retire } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { keptOf, liveOf, readFacts, type HostFacts } from "../facts.ts";
import { newNonce } from "../framing.ts";
import type { RemoteHost } from "../host.ts";
import { linkTo, OWNED, stampName } from "../layout.ts";
import { oneLine } from "../output.ts";
import { refusalOf } from "./refusal.ts";

/** How many releases stay. */
export type PruneInput = {
  /** Path of the target on the host. */
  readonly path: string;
  /** Complete releases that stay, the live one included; at least 2. */
  readonly keep: number;
};

/**
 * Renames each release in IDS to the trash, but for those that a process still runs from, which it prints: tree first, then empties the trash. Killed in between, the meta
 * names a tree that is gone, and the next prune takes the meta; the live release is looked at anew each time.
 */
export const PRUNE: string = `${OWNED}
here=$(pwd -P)
# what processes run from, as far as this account may look
used="$(ls -ld /proc/[0-9]*/cwd /proc/[0-9]*/exe /proc/[0-9]*/root 2>/dev/null; echo)"
for id in $IDS; do
  [ "$(linked)" != "releases/$id" ] || continue
  owned
  [ -d "$S/meta/$id" ] || continue
  case $used in (*"$here/releases/$id"[/[:space:]]*) printf '%s\\n' "$id"; continue ;; esac
  if [ -d "releases/$id" ]; then mv "releases/$id" "$S/trash/$id.$N.tree" || exit; fi
  mv "$S/meta/$id" "$S/trash/$id.$N.meta" || exit
done
# links that runs prepared and never moved
rm -rf "$S/fence/$STAMP"/*
cd "$S/trash" && for f in *; do
  if [ -e "$f" ]; then rm -rf "./$f"; fi
done`;

/** Removes releases that are no longer kept, and what killed runs left behind. */
export const prune: Retire<PruneInput, SshConnection> = {
  kind: "ssh.prune/1",

  describe({ path, keep }) {
    return oneLine(`keep ${keep} releases in ${path}/releases`);
  },

  async retire({ path, keep }, ctx) {
    const host = hostOf(ctx.connection, ctx.unit);
    const facts = await readFacts(ctx, host, path);
    const ids = removable(host, facts, { keep, run: ctx.run, settings: ctx.connection.settings });
    const values = { P: path, IDS: ids.join(" "), STAMP: stampName(ctx.stamp), N: newNonce() };
    const ran = await host.run(ctx, { text: PRUNE, values });
    if (ran.status === 0) {
      const used = ran.stdout
        .trim()
        .split("\n")
        .filter((id) => id !== "");
      if (used.length > 0) ctx.log(`still in use, and kept: ${used.join(", ")}\n`);
      return;
    }
    const thing = `${path}/${linkTo(ids[0] ?? "")}`;
    throw await refusalOf(ctx, { path, what: "Removing old releases", thing, wanted: null }, ran);
  },
};

/**
 * What may go: complete releases beyond the wanted number, and what other runs staged and never made live.
 * Only releases that have our meta; never the live one, never the one before it.
 */
export function removable(
  host: RemoteHost,
  facts: HostFacts,
  {
    keep,
    run,
    settings,
  }: {
    readonly keep: number;
    readonly run: string;
    readonly settings: { readonly path: string; readonly adopt: boolean };
  },
): string[] {
  const live = liveOf(host, facts, settings).ref?.release;
  const others = keptOf(facts).filter(({ release }) => release !== live);
  const stays = new Set([
    live,
    ...others.slice(0, Math.max(keep, 2) - 1).map(({ release }) => release),
  ]);
  return facts.releases
    .filter(({ id, run: owner, state, hasTree }) => {
      if (stays.has(id) || state === "adopted" || !/^[0-9A-Za-z_][0-9A-Za-z._-]*$/.test(id))
        return false;
      const wasLive = others.some(({ release }) => release === id);
      return wasLive || owner !== run || !hasTree;
    })
    .map(({ id }) => id);
}
