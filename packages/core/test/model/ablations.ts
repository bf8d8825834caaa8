/** A rule of the protocol that is taken out of a copy of the engine. */
export interface Ablation {
  /** What the copy no longer does. */
  readonly without: string;
  /** The invariant that notices. */
  readonly breaks: string;
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
    patches: [
      { find: `await run.journal.append("intent", { phase: batch.phase, entries });`, replace: "" },
    ],
  },
  {
    without: "the befores of the barrier",
    breaks: "I3",
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
    patches: [{ find: "if (!isSame(live, before)) {", replace: "if (live === undefined) {" }],
  },
  {
    without: "compare on revert",
    breaks: "I8",
    patches: [{ find: `if (!isSame(live, ref)) return "conflict";`, replace: "" }],
  },
  {
    without: "fencing before recovery",
    breaks: "I7",
    patches: [{ find: "await fenceAll(run); // an unreachable", replace: "// an unreachable" }],
  },
  {
    without: "the epoch before the fold",
    breaks: "I4",
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
    patches: [
      {
        find: "if (found?.body.open === true && request.recover !== true)",
        replace: "if (Boolean(0))",
      },
      {
        find: "if (found?.body.open === true && (await isLeft(found, store)))",
        replace: "if (Boolean(0))",
      },
    ],
  },
  {
    without: "late retire",
    breaks: "I10",
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
    patches: [{ find: `await run.journal.append("decision", { verdict, reason });`, replace: "" }],
  },
];
