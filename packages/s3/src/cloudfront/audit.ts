import type { Finding, ReadContext } from "@lockstep/plugin";
import { MOST_HELD, seenOf } from "../audit.ts";
import { createBudget } from "../budget.ts";
import { storedHeaders, whichOf } from "../moves.ts";
import { inParallel } from "../parallel.ts";
import { isSameHeaders } from "../release.ts";
import { isLarge } from "../site.ts";
import type { RoutedConnection } from "./connection.ts";
import { assetsOf, documentsOf } from "./documents.ts";
import { liveOf } from "./position.ts";

/** Most keys that one finding names. */
const MOST_NAMES = 10;

/** Compares every object of the live release, and what the router knows of it, with what was deployed. Changes nothing. */
export async function* audit(ctx: ReadContext<RoutedConnection>): AsyncGenerator<Finding> {
  const { connection, signal } = ctx;
  const position = await connection.switchboard.read(ctx);
  const live = liveOf(position);
  if (live === null) {
    const isByHand = position.route !== undefined;
    yield isByHand
      ? { level: "fail", text: "Visitors are led by a route that Lockstep did not write", fix: FIX }
      : { level: "ok", text: "No release is live yet" };
    return;
  }
  const release = await connection.release(live, signal);
  const objects = [
    ...documentsOf(release).map((file) => ({ file, key: connection.document(live, file.path) })),
    ...assetsOf(release).map((file) => ({ file, key: connection.asset(file.path) })),
  ];
  const wrong: string[] = [];
  const { limits } = connection.settings;
  const budget = createBudget(MOST_HELD);
  await inParallel(objects, limits.inFlight, async ({ file, key }) => {
    const head = isLarge(file.size, limits)
      ? await connection.bucket.head(key, { signal })
      : await budget.run(file.size, async () =>
          seenOf(await connection.bucket.get(key, { signal })),
        );
    if (head === undefined) wrong.push(`${file.path} (gone)`);
    else if (whichOf(head, [file]) === undefined) wrong.push(file.path);
    else if ("sha256" in head && head.sha256 !== file.sha256) wrong.push(file.path);
    else if (!isSameHeaders(head.headers, storedHeaders(file)))
      wrong.push(`${file.path} (headers)`);
  });
  const entries = await wrongEntries(live, ctx);
  if (wrong.length > 0) {
    const text = `${wrong.length} live objects were changed by others: ${names(wrong)}`;
    yield { level: "fail", text, fix: FIX };
  }
  if (entries.length > 0) {
    const text = `${entries.length} values of the router were changed by others: ${names(entries)}`;
    yield { level: "fail", text, fix: FIX };
  }
  const whole = objects.length - wrong.length;
  yield {
    level: "ok",
    text: `${whole} of ${objects.length} live objects are as they were deployed`,
  };
}

const FIX = "Take the change into the source, put back what was there, then deploy.";

async function wrongEntries(
  live: string,
  ctx: ReadContext<RoutedConnection>,
): Promise<readonly string[]> {
  const { routes, switchboard, values, settings } = ctx.connection;
  const { route, table } = await routes(live, ctx.signal);
  const wrong: string[] = [];
  await inParallel([...table], settings.limits.inFlight, async ([name, value]) => {
    const key = switchboard.keys.table(route.table, name);
    if ((await values.get(key, ctx)) !== value) wrong.push(key);
  });
  return wrong;
}

function names(all: readonly string[]): string {
  const more = all.length - MOST_NAMES;
  const shown = all.toSorted().slice(0, MOST_NAMES).join(", ");
  return `${shown}${more > 0 ? ` and ${more} more` : ""}`;
}
