import type { Release, Store } from "@lockstep/plugin";
import { openJournal } from "../src/journal.ts";
import type { EndBody } from "../src/records.ts";

/** Writes a run that made a release live, or that ended as said. */
export async function commitOf(
  store: Store,
  release: Release,
  epoch = 1,
  end: Partial<EndBody> = {},
): Promise<string> {
  const run = `production-${String(epoch).padStart(6, "0")}-00000000`;
  const journal = await openJournal(store, run, { epoch, now: () => epoch * 1000 });
  await journal.append("run.begin", {
    kind: "deploy",
    environment: "production",
    release,
    who: { user: "ada", machine: "desk" },
    targets: ["web"],
    plan: "sha256:0",
    live: {},
  });
  await journal.append("run.end", {
    result: "done",
    live: {},
    outputs: {},
    diagnostics: [],
    ...end,
  });
  return run;
}
