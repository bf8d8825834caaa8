import type { WriteContext } from "@lockstep/plugin";
import { routesUnfit } from "../errors.ts";
import type { RoutedConnection } from "./connection.ts";
import { changeAll, LARGEST_STORE } from "./key-values.ts";
import { encodeRoute } from "./route.ts";

/** Tells the store about a release that nobody is led to yet: its table first, its route when that is whole. */
export async function announce(ref: string, ctx: WriteContext<RoutedConnection>): Promise<void> {
  const { values, switchboard, routes, announced } = ctx.connection;
  const { keys } = switchboard;
  const { route, table } = await routes(ref, ctx.signal);
  const text = encodeRoute(route);
  const staged = keys.staged(route.id);
  announced.delete(text);
  if ((await values.get(staged, ctx)) === text) {
    announced.add(text);
    return;
  }
  // written last, so that a table which another release shares is known to be whole
  const whole = keys.table(route.table, "whole");
  const isWhole = (await values.get(whole, ctx)) !== undefined;
  const entries = [...table].map(
    ([name, value]) => [keys.table(route.table, name), value] as const,
  );
  const puts = [...(isWhole ? [] : entries), [whole, "yes"] as const, [staged, text] as const];
  await changeAll(values, { puts, deletes: [] }, ctx);
  announced.add(text);
}

/**
 * Refuses a release whose table does not fit any more.
 *
 * @throws {LockstepError} `S3_ROUTES`
 */
export async function refuseFull(
  table: ReadonlyMap<string, string>,
  { connection }: { readonly connection: RoutedConnection },
): Promise<void> {
  const { bytes } = await connection.values.describe();
  const more = [...table].reduce((sum, [name, value]) => sum + 128 + name.length + value.length, 0);
  if (bytes + more <= LARGEST_STORE) return;
  throw routesUnfit(`${connection.values.name} holds ${bytes} bytes, and ${more} more are needed`);
}
