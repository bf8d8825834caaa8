import { type Reverted, type Step, stepConflict } from "@lockstep/plugin";
import { releaseGone } from "../errors.ts";
import type { PastRelease } from "../pointer.ts";
import { shortRef } from "../steps/base.ts";
import type { RoutedConnection } from "./connection.ts";
import type { Position } from "./position.ts";
import { encodeRoute, releaseOf } from "./route.ts";

/** Which release visitors are led to; null for none. */
export type ActivateInput = {
  readonly release: string | null;
};

/** What the store said. */
export type ActivateBefore = {
  /** The route, as it was stored. */
  readonly route: string | null;
  readonly past: readonly PastRelease[];
};

/**
 * Leads visitors to a staged release: one write to the key value store, which is refused when anybody else led
 * them anywhere since the run looked. Nothing is copied, and nothing is to be invalidated.
 */
export const activate: Step<ActivateInput, ActivateBefore, null, RoutedConnection> = {
  kind: "s3.activate-routed/1",

  describe: ({ release }) =>
    release === null ? "take the preview away" : `lead visitors to ${shortRef(release)}`,

  async inspect({ release }, ctx) {
    const { connection } = ctx;
    // now rather than between two pointers; a release that is not staged cannot go live either
    if (release !== null && (await connection.isStaged(release, ctx.signal))) {
      connection.announced.add((await routeTo(release, ctx)) ?? "");
    }
    // anew: staging wrote to the store, and the write that goes live is to be the first one to fit
    const { route, past } = await connection.switchboard.read(ctx);
    return { route: route ?? null, past };
  },

  async apply({ release }, before, ctx) {
    const { switchboard } = ctx.connection;
    const position = await switchboard.known(ctx);
    switchboard.refuseOlder(position, ctx.stamp);
    const wanted = await routeTo(release, ctx);
    if ((position.route ?? null) === wanted) return null; // an earlier try whose reply was lost
    refuseMoved(switchboard.place, position, before);
    const past = pastOf(before, release, ctx.now());
    await switchboard.write({ route: wanted ?? undefined, past, stamp: ctx.stamp }, ctx);
    return null;
  },

  async revert({ release }, before, ctx): Promise<Reverted> {
    const { connection } = ctx;
    const position = await connection.switchboard.read(ctx);
    connection.switchboard.refuseOlder(position, ctx.stamp);
    const found = position.route ?? null;
    if (found === before.route) return "untouched";
    // by its name: a manifest that was never whole cannot have gone live
    if (releaseOf(found ?? undefined) !== release) return "conflict";
    const { route, past } = before;
    await connection.switchboard.write({ route: route ?? undefined, past, stamp: ctx.stamp }, ctx);
    return "restored";
  },
};

/** The route of a release that the store was told all about. */
async function routeTo(release: string | null, ctx: Looking): Promise<string | null> {
  if (release === null) return null;
  const { connection, signal } = ctx;
  const text = encodeRoute((await connection.routes(release, signal)).route);
  return connection.announced.has(text) ? text : announcedRoute(release, ctx);
}

type Looking = { readonly connection: RoutedConnection; readonly signal: AbortSignal };

async function announcedRoute(release: string, { connection, signal }: Looking): Promise<string> {
  const { route } = await connection.routes(release, signal);
  const text = encodeRoute(route);
  const { keys } = connection.switchboard;
  const staged = await connection.values.get(keys.staged(route.id), { signal });
  if (staged !== text) throw releaseGone(release, "its list of pages");
  return text;
}

function refuseMoved(place: string, { route }: Position, before: ActivateBefore): void {
  if ((route ?? null) === before.route) return;
  throw stepConflict(place, { wanted: nameOf(before.route), found: nameOf(route ?? null) });
}

function nameOf(route: string | null): string | null {
  return route === null ? null : (releaseOf(route) ?? "a route written by hand");
}

/** The release that was live becomes the latest of the past; the one that goes live leaves it. */
function pastOf(
  { route, past }: ActivateBefore,
  release: string | null,
  now: number,
): readonly PastRelease[] {
  const live = releaseOf(route ?? undefined);
  const others = past.filter(({ ref }) => ref !== release && ref !== live);
  return live === null || live === release ? others : [{ ref: live, until: now }, ...others];
}
