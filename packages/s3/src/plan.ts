import {
  type Json,
  type Live,
  planned,
  type PlanContext,
  type PlannedStep,
  type PlanRequest,
  type TargetPlan,
} from "@lockstep/plugin";
import type { CheckSettings } from "./check-options.ts";
import { activatePurged } from "./cloudfront/activate-purged.ts";
import { comparison } from "./comparison.ts";
import type { S3Connection } from "./connection.ts";
import { credentialsEnding } from "./errors.ts";
import { refuseShrunk, refuseForeign } from "./guards.ts";
import { settle, stagingOf } from "./moves.ts";
import type { S3Settings } from "./options.ts";
import type { Pointer } from "./pointer.ts";
import { isSameFile, type SiteRelease } from "./release.ts";
import { makeSite, readFiles } from "./site.ts";
import { activate, type ActivateInput } from "./steps/activate.ts";
import { baseOf } from "./steps/base.ts";
import { checkSite, type CheckSiteInput, forReturn } from "./steps/check-site.ts";
import { goneFrom, repair } from "./steps/repair.ts";
import { retire } from "./steps/retire.ts";
import { stage } from "./steps/stage.ts";

/** The target's own name of what is live: a release, or two that are mixed. */
export type Ref = string | { readonly from: string | null; readonly to: string };

const UNDO =
  "Every page that was replaced is copied back from the bucket, and pages that were added are removed.";

/** Credentials that end sooner, in milliseconds, might leave a run halfway. */
const LEAST_MS = 60_000;

/** Plans a deploy or a way back. Reads the bucket and the source; changes nothing. */
export async function plan(
  request: PlanRequest,
  ctx: PlanContext<S3Connection>,
): Promise<TargetPlan> {
  const { bucket, control } = ctx.connection;
  const pointer = await control.recent(ctx);
  const leftMs = await bucket.credentialsMs();
  if (leftMs !== undefined && leftMs < LEAST_MS) throw credentialsEnding(bucket.name, leftMs);
  return request.kind === "deploy"
    ? planDeploy(pointer, ctx)
    : planReturn(pointer, request.refs, ctx);
}

/** What is live as the rest of Lockstep names it. */
export function refOf({ live, moving }: Pointer): Ref | null {
  return moving === undefined ? live : { from: live, to: moving.to };
}

async function planDeploy(pointer: Pointer, ctx: PlanContext<S3Connection>): Promise<TargetPlan> {
  const { connection } = ctx;
  const source = await readFiles(connection.settings, ctx);
  const isKnown = pointer.moving === undefined && pointer.live !== null;
  if (isKnown && pointer.made === source.made && !connection.settings.repair) {
    ctx.log("The source is what the live release was made of; its objects were not looked at.\n");
    return unchanged(pointer, { ref: pointer.live, count: source.artifact.files });
  }
  const site = await makeSite(connection.settings, source, ctx);
  connection.site = site;
  const { ref, files } = site.release;
  const repairs = await planRepairs(pointer, site.release, ctx);
  if (refOf(pointer) === ref) {
    const same = unchanged(pointer, { ref, count: files.length - repairs.changes.length });
    return { ...same, ...repairs };
  }
  const base = await baseOf(connection, startOf(pointer), ctx.signal);
  refuseShrunk(connection.settings, base, site.release);
  await refuseForeign(ctx, base, site.release);
  const release = settle(site.release, base);
  const { uploads, creates } = stagingOf(release, base, connection.settings.entries);
  const { changes, unchanged: others } = comparison(base.from, release);
  return {
    changes: [...changes, ...repairs.changes],
    unchanged: others - repairs.changes.length,
    steps: [
      ...repairs.steps,
      planned(stage, {
        id: "stage",
        phase: "stage",
        undo: "leave",
        input: { release: ref, ...startOf(pointer) },
        bytes: [...uploads, ...creates].reduce((sum, { size }) => sum + size, 0),
      }),
      ...liveSteps(ctx, pointer, ref),
    ],
    basedOn: basedOn(pointer),
    outputs: { digest: ref },
    undo: UNDO,
  };
}

/** With `repair`: what the live release and the new one have alike, and the bucket has no longer. */
async function planRepairs(
  { live, moving }: Pointer,
  release: SiteRelease,
  ctx: PlanContext<S3Connection>,
): Promise<Pick<TargetPlan, "changes" | "steps">> {
  const { connection, signal } = ctx;
  const isLookedAt = connection.settings.repair && live !== null && moving === undefined;
  if (!isLookedAt) return { changes: [], steps: [] };
  const gone = await goneFrom(await connection.release(live, signal), ctx);
  const files = gone.filter((file) => isSameFile(release.byPath.get(file.path), file));
  if (files.length === 0) return { changes: [], steps: [] };
  const input = { release: release.ref, live, paths: files.map(({ path }) => path) };
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return {
    changes: files.map(({ path: what, size }) => ({
      action: "add",
      what,
      reason: "absent",
      bytes: size,
    })),
    steps: [planned(repair, { id: "repair", phase: "stage", undo: "leave", input, bytes })],
  };
}

function unchanged(
  pointer: Pointer,
  { ref, count }: { readonly ref: string; readonly count: number },
): TargetPlan {
  return {
    changes: [],
    unchanged: count,
    steps: [],
    basedOn: basedOn(pointer),
    outputs: { digest: ref },
    undo: UNDO,
  };
}

async function planReturn(
  pointer: Pointer,
  refs: readonly Live[],
  ctx: PlanContext<S3Connection>,
): Promise<TargetPlan> {
  const { connection } = ctx;
  const wanted = refs[0]?.ref ?? null;
  const nothing = { changes: [], unchanged: 0, steps: [], basedOn: basedOn(pointer), undo: UNDO };
  if (typeof wanted !== "string") return nothing;
  const release = await connection.release(wanted, ctx.signal);
  if (refOf(pointer) === wanted) {
    return unchanged(pointer, { ref: wanted, count: release.files.length });
  }
  const base = await baseOf(connection, startOf(pointer), ctx.signal);
  return {
    ...comparison(base.from, release),
    steps: forReturn(liveSteps(ctx, pointer, wanted)),
    basedOn: basedOn(pointer),
    outputs: { digest: wanted },
    undo: UNDO,
  };
}

function liveSteps(
  { connection: { settings }, release: { id: run } }: PlanContext<S3Connection>,
  { live: from, conditions }: Pointer,
  release: string,
): PlannedStep[] {
  const { entries, keep, check } = settings;
  const blind = conditions?.verdict === "ignored" ? ({ isBlind: true } as const) : {};
  return [
    activateStep(settings, { release, entries, ...blind }),
    ...(check === undefined ? [] : [checkStep(check, { run, release, from })]),
    planned(retire, { id: "retire", phase: "retire", input: { release, ...keep } }),
  ];
}

function activateStep({ cloudfront }: S3Settings, input: ActivateInput): PlannedStep {
  const place = { id: "activate", phase: "activate" } as const;
  const distribution = cloudfront?.purge?.distribution;
  return distribution === undefined
    ? planned(activate, { ...place, input })
    : planned(activatePurged, { ...place, input: { ...input, distribution } });
}

function checkStep(
  { until, ...check }: CheckSettings,
  releases: Pick<CheckSiteInput, "run" | "release" | "from">,
): PlannedStep {
  const input = { ...releases, ...check };
  return planned(checkSite, { id: "check", phase: "verify", input, until });
}

function startOf({ live, moving }: Pointer): { from: string | null; also: string | null } {
  return { from: live, also: moving?.to ?? null };
}

function basedOn(pointer: Pointer): Json {
  return { live: refOf(pointer) };
}
