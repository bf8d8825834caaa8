import {
  type Change,
  type Entry,
  type Evidence,
  isSame,
  type RunEvidence,
  stateAt,
} from "./evidence.ts";
import { SECRET } from "./scheduler.ts";
import { UNITS } from "./world.ts";

/** What is wrong, each in one sentence; empty when the invariant holds. */
export type Invariant = (evidence: Evidence) => string[];

/** The intent of a step is durable before its effect: otherwise nobody knows what to undo. */
export const I1: Invariant = ({ changes, ...evidence }) =>
  changes
    .filter(({ verb }) => verb === "apply")
    .filter((change) => {
      const intents = entriesOf(evidence, change, "intent").filter(({ at }) => at < change.at);
      return !intents.some(({ body }) => body.entries?.some(({ id }) => id === change.id));
    })
    .map((change) => `${about(change)} without a durable intent`);

/** No pointer moves forward before the barrier is durable and every planned release is staged everywhere. */
export const I2: Invariant = (evidence) =>
  forward(evidence).flatMap((change) => {
    const run = runOf(evidence, change);
    const barrier = entriesOf(evidence, change, "barrier").some(({ at }) => at < change.at);
    const missing = stepsOf(run, "stage").filter(
      ({ unit, ref }) => stateAt(evidence, unit, change.at).releases[ref.release] === undefined,
    );
    return [
      ...(barrier ? [] : [`${about(change)} before the barrier`]),
      ...missing.map(({ unit }) => `${about(change)} before ${unit} was staged`),
    ];
  });

/** What every activate step found is durable, and true, before the first of them is applied. */
export const I3: Invariant = (evidence) =>
  forward(evidence).flatMap((change) => {
    const run = runOf(evidence, change);
    const befores = beforesOf(evidence, change);
    return stepsOf(run, "activate")
      .filter(({ id, unit }) => {
        const noted = befores.get(id);
        if (noted === undefined) return true;
        const seen = evidence.calls.findLast(
          ({ call, at, refused }) =>
            call === `inspect memory.activate/1 ${unit}` && at < noted.at && !refused,
        );
        return seen === undefined || !isSame(seen.live, noted.before);
      })
      .map(({ id }) => `${about(change)} although what ${id} found was not kept`);
  });

/** A run is decided exactly once, before it ends, and ends as was decided. */
export const I4: Invariant = ({ runs }) =>
  [...runs.values()].flatMap(({ name, decisions, begin, end }) => {
    const verdict = decisions[0]?.body.verdict;
    const committed = end?.body.result === "done";
    return [
      ...(decisions.length > 1 ? [`${name} was decided ${decisions.length} times`] : []),
      ...(begin !== undefined && end !== undefined && verdict === undefined
        ? [`${name} ended without a decision`]
        : []),
      ...(end !== undefined && verdict !== undefined && committed !== (verdict === "commit")
        ? [`${name} ended ${end.body.result ?? ""} although it was decided to ${verdict}`]
        : []),
    ];
  });

/** After an abort nothing is activated; after a commit nothing is reverted, and before an abort neither. */
export const I5: Invariant = (evidence) =>
  evidence.changes.flatMap((change) => {
    const [decision] = runOf(evidence, change)?.decisions ?? [];
    const verdict = decision !== undefined && decision.at < change.at && decision.body.verdict;
    const storeless = evidence.played.story
      .all("store failed")
      .some(({ by, at }) => by === change.by && at < change.at);
    if (change.verb === "apply" && change.moved && verdict !== false)
      return [`${about(change)} after the decision to ${verdict ?? "?"}`];
    if (change.verb === "revert" && verdict === "commit")
      return [`${about(change)} after the commit`];
    if (change.verb === "revert" && verdict === false && !storeless)
      return [`${about(change)} before any decision`];
    return [];
  });

/** Every verb may run twice: a second recover finds nothing to do and changes nothing. */
export const I6: Invariant = ({ played: { story }, changes, leases }) => {
  const began = new Map(story.all("began").map((fact) => [fact.by, fact]));
  return story
    .all("ended")
    .filter(({ by, at }) => {
      const { verb = "", at: from = at } = began.get(by) ?? {};
      const others = leases.filter((lease) => lease.by !== by && lease.at < at);
      return verb.startsWith("recover") && others.at(-1)?.open === false && isBefore(others, from);
    })
    .filter(({ by, result }) => {
      const wrote = [...changes, ...leases].some((write) => write.by === by);
      const couldRead = !story.all("store failed").some((fact) => fact.by === by);
      return wrote || (couldRead && result !== "unchanged");
    })
    .map(({ by, result }) => `process ${by} recovered what was over: ${result}`);
};

/** Only the highest epoch writes what users can see; epochs of stamps, leases and journals never fall. */
export const I7: Invariant = (evidence) => [
  ...evidence.changes
    .filter(({ moved, verb }) => moved || verb === "fence")
    .filter((change) => epochOf(evidence, change) < (change.from.stamp?.epoch ?? 0))
    .map((change) => `${about(change)} with epoch ${epochOf(evidence, change)}, after a newer one`),
  ...evidence.changes
    .filter((change) => change.moved && takenOver(evidence, change))
    .map((change) => `${about(change)} although a newer process had recovered that run`),
  ...[...evidence.runs.values()].flatMap(({ name, entries }) =>
    falls(entries).map((at) => `the journal of ${name} falls to an older epoch at ${at}`),
  ),
  ...falls(evidence.leases).map((at) => `the lease falls to an older epoch at ${at}`),
];

/** No foreign change is ever overwritten: a pointer moves only from what was noted, or back from our own. */
export const I8: Invariant = (evidence) =>
  evidence.changes
    .filter(({ moved }) => moved)
    .flatMap((change) => {
      const run = runOf(evidence, change);
      const before = beforesOf(evidence, change).get(change.id)?.before ?? null;
      const own = run?.steps.get(change.id)?.input.ref ?? null;
      const [from, to] = change.verb === "apply" ? [before, own] : [own, before];
      const edit = evidence.edits.findLast(
        ({ at, unit }) => at < change.at && unit === change.unit,
      );
      const unseen = edit !== undefined && edit.at > (run?.begin?.at ?? 0);
      return [
        ...(isSame(change.from.live, from)
          ? []
          : [`${about(change)} and overwrote what it did not expect`]),
        ...(isSame(change.to.live, to) ? [] : [`${about(change)} to what it never was`]),
        ...(unseen && change.from.live?.release === "foreign"
          ? [`${about(change)} and overwrote a change made since the run began`]
          : []),
      ];
    });

/** Revert visits every started step, and every process fences every target before it moves a pointer. */
export const I9: Invariant = (evidence) => {
  const called = (by: number, call: string, before: number): boolean =>
    evidence.calls.some((fact) => fact.by === by && fact.call === call && fact.at < before);
  const unvisited = [...evidence.runs.values()].flatMap((run) =>
    run.entries.filter(isAborted).flatMap(({ by, at }) =>
      startedIn(run, at)
        .filter((id) => !run.left.some((unit) => id.startsWith(`${unit}/`)))
        .filter((id) => !called(by, callOf("revert", id), at))
        .map((id) => `process ${by} ended ${run.name} and never visited ${id}`),
    ),
  );
  const unfenced = evidence.changes
    .filter(({ moved }) => moved)
    .flatMap((change) => {
      const units = new Set(stepsOf(runOf(evidence, change), "activate").map(({ unit }) => unit));
      return [...units]
        .filter((unit) => !called(change.by, `fence ${unit}`, change.at))
        .map((unit) => `${about(change)} before it fenced ${unit}`);
    });
  return [...unvisited, ...unfenced];
};

/** Only a committed run retires, and never what is live or was live before. */
export const I10: Invariant = (evidence) =>
  evidence.changes
    .filter(({ verb }) => verb === "retire")
    .flatMap((change) => {
      const [decision] = runOf(evidence, change)?.decisions ?? [];
      const isLate = decision?.body.verdict === "commit" && decision.at < change.at;
      const kept = [change.from.live, change.from.past[0] ?? null];
      const lost = kept.filter(
        (ref) =>
          ref !== null &&
          change.from.releases[ref.release] !== undefined &&
          change.to.releases[ref.release] === undefined,
      );
      return [
        ...(isLate ? [] : [`${about(change)} before the commit`]),
        ...lost.map((ref) => `${about(change)} and dropped ${ref?.content ?? ""}`),
      ];
    });

/** No secret is in the journal, the plan, an event or an answer. */
export const I11: Invariant = ({ played: { story } }) => {
  const texts = [
    ...story.all("stored").map(({ key, text }) => ({ where: key, text })),
    ...story.told.map((text) => ({ where: "an event", text })),
    ...story
      .all("ended")
      .map(({ by, said }) => ({ where: `the end of process ${by}`, text: said })),
  ];
  return texts
    .filter(({ text }) => text.includes(SECRET))
    .map(({ where, text }) => `${where} tells the secret: ${text.slice(0, 200)}`);
};

/** What is applied is what the stored plan says, whatever the config of a later process says. */
export const I12: Invariant = (evidence) =>
  evidence.changes
    .filter(({ verb }) => verb === "apply")
    .flatMap((change) => {
      const planned = runOf(evidence, change)?.steps.get(change.id);
      const ref = planned?.input.ref;
      const arrived = change.moved ? change.to.live : change.to.releases[ref?.release ?? ""]?.ref;
      return ref !== undefined && isSame(arrived ?? null, ref)
        ? []
        : [`${about(change)} which is not in its plan`];
    });

/** The end that is written down was observed: read from every target after the last change, and true. */
export const I13: Invariant = (evidence) =>
  [...evidence.runs.values()].flatMap((run) =>
    run.entries
      .filter(({ type }) => type === "run.end" || type === "parked")
      .flatMap((entry) => UNITS.flatMap((unit) => unobserved(evidence, run, { entry, unit }))),
  );

/** An open run blocks the next: no run begins, and no lease says closed, before the one before has ended. */
export const I14: Invariant = ({ runs, leases }) => {
  const begun = [...runs.values()].filter(({ begin }) => begin !== undefined);
  const overlapping = begun.filter(({ begin, name }) =>
    begun.some(
      (other) =>
        other.name !== name &&
        (other.begin?.at ?? 0) < (begin?.at ?? 0) &&
        (other.end?.at ?? Infinity) > (begin?.at ?? 0),
    ),
  );
  const early = leases.filter(({ open, run, at }) => {
    const known = runs.get(run);
    return !open && known?.begin !== undefined && (known.end?.at ?? Infinity) > at;
  });
  const taken = leases.filter(({ open, run }, index) => {
    const before = leases[index - 1];
    return open && before?.open === true && before.run !== run;
  });
  return [
    ...overlapping.map(({ name }) => `${name} began while another run was open`),
    ...early.map(({ run }) => `the lease was closed before ${run} had ended`),
    ...taken.map(
      ({ by, run }) => `process ${by} took the lease for ${run} although another was open`,
    ),
  ];
};

/** All or none: nobody waits for ever, what is recovered is closed, and then every unit serves the same. */
export const ALL_OR_NONE: Invariant = (evidence) => {
  const { leases, edits, runs } = evidence;
  const { stuck, story } = evidence.played;
  if (stuck.length > 0) return stuck.map((id) => `process ${id} waits for ever`);
  // Somebody's own change stays where it is, and what somebody said is to be left, too.
  if (edits.length > 0 || [...runs.values()].some(({ left }) => left.length > 0)) return [];
  const begun = story.all("began").at(-1)?.at ?? 0; // the deploy that ends every schedule
  const contents = UNITS.map((unit) => stateAt(evidence, unit, begun).live?.content ?? "nothing");
  const last = story.all("ended").at(-1);
  return [
    ...(leases.at(-1)?.open === true ? ["a run is open although everything was healed"] : []),
    ...(new Set(contents).size === 1 ? [] : [`the units serve ${contents.join(", ")}`]),
    ...(last?.result === "done" ? [] : [`the next deploy ends ${last?.result ?? "never"}`]),
  ];
};

/** All invariants by name. */
export const INVARIANTS: Readonly<Record<string, Invariant>> = {
  I1,
  I2,
  I3,
  I4,
  I5,
  I6,
  I7,
  I8,
  I9,
  I10,
  I11,
  I12,
  I13,
  I14,
  "all or none": ALL_OR_NONE,
};

/** Everything that is wrong in a schedule. */
export function violationsOf(evidence: Evidence): string[] {
  return Object.entries(INVARIANTS).flatMap(([name, check]) =>
    check(evidence).map((sentence) => `${name}: ${sentence}`),
  );
}

function about({ by, call, unit, to }: Change): string {
  return `process ${by} (${call}) left ${unit} at ${to.live?.content ?? "nothing"}`;
}

function forward(evidence: Evidence): Change[] {
  return evidence.changes.filter(({ verb, moved }) => verb === "apply" && moved);
}

type Knowledge = Pick<Evidence, "runs" | "heldBy">;

function runOf({ runs, heldBy }: Knowledge, { by }: Change): RunEvidence | undefined {
  return runs.get(heldBy.get(by)?.run ?? "");
}

function entriesOf(evidence: Knowledge, change: Change, type: string): readonly Entry[] {
  return runOf(evidence, change)?.entries.filter((entry) => entry.type === type) ?? [];
}

function epochOf({ heldBy }: Evidence, { by }: Change): number {
  return heldBy.get(by)?.epoch ?? 0;
}

/** True when, before this change, another process had already put the run back or finished it. */
function takenOver(evidence: Evidence, change: Change): boolean {
  const own = epochOf(evidence, change);
  const ends = runOf(evidence, change)?.entries.filter(({ type }) => type === "run.end") ?? [];
  return ends.some(({ epoch, at }) => epoch > own && at < change.at);
}

function isBefore(items: readonly { readonly at: number }[], place: number): boolean {
  return items.every(({ at }) => at < place);
}

/** Places at which an epoch is lower than one before. */
function falls(items: readonly { readonly epoch: number; readonly at: number }[]): number[] {
  return items.flatMap(({ epoch, at }, index) =>
    items.slice(0, index).some((earlier) => earlier.epoch > epoch) ? [at] : [],
  );
}

interface PlannedPointer {
  readonly id: string;
  readonly unit: string;
  readonly ref: { readonly release: string; readonly content: string };
}

function stepsOf(run: RunEvidence | undefined, phase: string): PlannedPointer[] {
  return [...(run?.steps ?? [])]
    .filter(([, step]) => step.phase === phase)
    .map(([id, { input }]) => ({ id, unit: input.unit, ref: input.ref }));
}

/** What the barrier of a change's run noted before that change, by full id. */
function beforesOf(
  evidence: Knowledge,
  change: Change,
): ReadonlyMap<string, { readonly before: Change["from"]["live"]; readonly at: number }> {
  const barriers = entriesOf(evidence, change, "barrier").filter(({ at }) => at < change.at);
  return new Map(
    barriers.flatMap(({ at, body }) =>
      (body.befores ?? []).map(({ id, before }) => [id, { before, at }] as const),
    ),
  );
}

const ABORTED = ["rolled-back", "failed", "interrupted", "needs-human"];

function isAborted({ type, body }: Entry): boolean {
  return (type === "run.end" || type === "parked") && ABORTED.includes(body.result ?? "");
}

/** Full ids of the steps whose intent was durable before a place in the story. */
function startedIn({ entries }: RunEvidence, before: number): string[] {
  const intents = entries.filter(({ type, at }) => type === "intent" && at < before);
  return [...new Set(intents.flatMap(({ body }) => (body.entries ?? []).map(({ id }) => id)))];
}

/** `a/stage:a` → `revert memory.stage/1 a` */
function callOf(verb: string, id: string): string {
  const [, step = "", unit = ""] = /^[^/]+\/([^:]+):(.+)$/.exec(id) ?? [];
  return `${verb} memory.${step}/1 ${unit}`;
}

function unobserved(
  evidence: Evidence,
  run: RunEvidence,
  { entry, unit }: { readonly entry: Entry; readonly unit: string },
): string[] {
  const { by, at, body } = entry;
  const where = `${run.name} ended ${body.result ?? ""}`;
  const look = evidence.calls.findLast(
    (fact) => fact.by === by && fact.call === `live ${unit}` && fact.at < at,
  );
  if (look === undefined) return [`${where} and never looked at ${unit}`];
  const later = evidence.changes.some(
    (change) => change.by === by && change.unit === unit && change.at > look.at && change.at < at,
  );
  if (later) return [`${where} and changed ${unit} after its last look`];
  const said = body.live?.[unit]?.[0]?.ref as Change["from"]["live"] | undefined;
  if (look.refused) return said === undefined ? [] : [`${where} and made up what ${unit} serves`];
  const before = (run.begin?.body.live?.[unit]?.[0]?.ref ?? null) as Change["from"]["live"];
  const planned = run.steps.get(`${unit}/activate:${unit}`)?.input.ref ?? before;
  const wanted = body.result === "done" ? planned : before;
  // Done, or ended before it activated anything: a change by hand is told, and not the run's own.
  const isLeft = body.result !== "rolled-back" && look.live?.release === "foreign";
  const must = run.end === entry && !isLeft && !run.left.includes(unit);
  return [
    ...(isSame(said ?? null, look.live) ? [] : [`${where} and told another state of ${unit}`]),
    ...(must && !isSame(look.live, wanted)
      ? [`${where} although ${unit} serves another release`]
      : []),
  ];
}
