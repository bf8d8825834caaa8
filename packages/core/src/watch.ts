import { type Run } from "./run.ts";
import { call } from "./session.ts";

/** Looks as users do from barrier to decision. Counts; never decides anything. */
export interface Watching {
  begin(): void;
  /** Stops and tells the counts of every target that was watched. */
  end(): Promise<void>;
}

/** Prepares to watch every target that can be watched. */
export function startWatching(run: Run): Watching {
  const stop = new AbortController();
  let counting: Promise<void>[] = [];
  return {
    begin() {
      counting = [...run.session.targets.keys()].map((name) => count(run, name, stop.signal));
    },
    async end() {
      stop.abort();
      await Promise.all(counting);
    },
  };
}

async function count(run: Run, name: string, signal: AbortSignal): Promise<void> {
  const target = run.session.targets.get(name)?.target;
  if (target?.watch === undefined) return;
  const seen = { requests: 0, failed: 0, slowestMs: 0 };
  const watch = async (ctx: Parameters<NonNullable<typeof target.watch>>[0]): Promise<void> => {
    for await (const { ok, ms } of target.watch?.(ctx) ?? []) {
      seen.requests += 1;
      seen.failed += ok ? 0 : 1;
      seen.slowestMs = Math.max(seen.slowestMs, Math.round(ms));
      if (signal.aborted) break;
    }
  };
  const scope = { target: name, run: run.journal.run, release: run.plan.release, signal };
  await call(run.session, scope, watch).catch(() => undefined); // a watch that breaks is no reason to fail
  run.session.events.emit({ type: "watch.finished", target: name, ...seen });
}
