/** A rule of the protocol that is taken out of a copy of the engine. */
export interface Ablation {
  /** What the copy no longer does. */
  readonly without: string;
  /** The invariant that notices. */
  readonly breaks: string;
  /** What it takes to notice soon: changes by hand, processes that were overtaken, kills, or anything. */
  readonly shownBy: "edits" | "sleepers" | "crashes" | "anything";
  readonly patches: readonly Patch[];
}

/** A text that stands in the sources exactly once, and what the copy says instead. */
export interface Patch {
  readonly find: string;
  readonly replace: string;
}

/** Rules whose absence the invariants must notice, one at a time. */
export const ABLATIONS: readonly Ablation[] = [
  {
    without: "write-ahead",
    breaks: "I1",
    shownBy: "anything",
    patches: [
      { find: `await run.journal.append("intent", { phase: batch.phase, entries });`, replace: "" },
    ],
  },
  {
    without: "the befores of the barrier",
    breaks: "I3",
    shownBy: "anything",
    patches: [
      {
        find: `await run.journal.append("barrier", { befores });`,
        replace: `await run.journal.append("barrier", { befores: [] });`,
      },
    ],
  },
  {
    without: "compare on apply",
    breaks: "I8",
    shownBy: "edits",
    patches: [{ find: "if (!isSame(live, before)) {", replace: "if (live === undefined) {" }],
  },
  {
    without: "compare on revert",
    breaks: "I8",
    shownBy: "edits",
    patches: [{ find: `if (!isSame(live, ref)) return "conflict";`, replace: "" }],
  },
  {
    without: "fencing before recovery",
    breaks: "I7",
    shownBy: "sleepers",
    patches: [{ find: "await fenceAll(run); // an unreachable", replace: "// an unreachable" }],
  },
  {
    without: "the epoch before the fold",
    breaks: "I4",
    shownBy: "sleepers",
    patches: [
      {
        find: "          await readOn(store, run, chain);",
        replace: `const unseen = { ...chain, records: [...chain.records] };
          await readOn(store, run, unseen);
          Object.assign(chain, { seq: unseen.seq, prev: unseen.prev });`,
      },
    ],
  },
  {
    without: "the rule that an open run blocks the next",
    breaks: "I14",
    shownBy: "sleepers",
    patches: [
      {
        find: "if (found?.body.open === true && request.recover !== true)",
        replace: "if (Boolean(0))",
      },
    ],
  },
  {
    without: "late retire",
    breaks: "I10",
    shownBy: "anything",
    patches: [
      {
        find: "await decideFirst?.();\n    await retire(run);",
        replace: "await retire(run);\n    await decideFirst?.();",
      },
    ],
  },
  {
    without: "the record of the decision",
    breaks: "I4",
    shownBy: "anything",
    patches: [{ find: `await run.journal.append("decision", { verdict, reason });`, replace: "" }],
  },
  {
    without: "the barrier between staging and activation",
    breaks: "I2",
    shownBy: "anything",
    patches: [
      { find: "await stage(run);", replace: "" },
      { find: "await verify(run);", replace: "await stage(run); await verify(run);" },
    ],
  },
  {
    without: "undoing steps that never reported",
    breaks: "I9",
    shownBy: "crashes",
    patches: [
      {
        find: "if (step !== undefined) run.started.set(",
        replace: `const isKnown = run.journal.records.some((each) => each.type === "applied" && each.body.id === id);
      if (step !== undefined && isKnown) run.started.set(`,
      },
    ],
  },
  {
    without: "redaction of what targets say",
    breaks: "I11",
    shownBy: "anything",
    patches: [{ find: "message: redactor.text(message),", replace: "message," }],
  },
  {
    without: "the last look at what is live",
    breaks: "I13",
    shownBy: "edits",
    patches: [
      {
        find: `const isClean = problems.every(({ severity }) => severity === "warning");`,
        replace: "const isClean = problems.length >= 0;",
      },
    ],
  },
  {
    without: "the stored plan in a recover",
    breaks: "I12",
    shownBy: "crashes",
    patches: [
      {
        find: "const plan = (await getBlob(store, begin.plan)) as unknown as Plan;",
        replace: `const { makePlan } = await import("./make-plan.ts");
  const plan = await makePlan(session, { release: begin.release });`,
      },
    ],
  },
  {
    without: "the look whether a run is open",
    breaks: "I6",
    shownBy: "anything",
    patches: [{ find: "if (found?.body.open !== true) return nothingOpen(name);", replace: "" }],
  },
];
