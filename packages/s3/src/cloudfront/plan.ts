import {
  type Json,
  type Live,
  planned,
  type PlanContext,
  type PlannedStep,
  type PlanRequest,
  type TargetPlan,
} from "@lockstep/plugin";
import { comparison } from "../comparison.ts";
import { refuseShrunk } from "../guards.ts";
import { settle } from "../moves.ts";
import { readFiles } from "../site.ts";
import { baseOf } from "../steps/base.ts";
import { checkSite, forReturn } from "../steps/check-site.ts";
import { activate } from "./activate.ts";
import { refuseFull } from "./announce.ts";
import type { RoutedConnection } from "./connection.ts";
import { refuseLongKeys } from "./guards.ts";
import type { RouterSettings } from "./options.ts";
import { liveOf, type Position } from "./position.ts";
import { retire } from "./retire.ts";
import { routesOf } from "./routes.ts";
import { readSite, stage } from "./stage.ts";

const UNDO =
  "Visitors are led back to the release before, whose pages are all still there, by one write.";

/** Plans a deploy, a way back, or the end of a preview. Reads the bucket, the store and the source; changes nothing. */
export async function plan(
  router: RouterSettings,
  request: PlanRequest,
  ctx: PlanContext<RoutedConnection>,
): Promise<TargetPlan> {
  const position = await ctx.connection.switchboard.recent(ctx);
  if (request.kind === "return") return planReturn(position, request.refs, ctx);
  return router.remove ? planRemoval(position) : planDeploy(position, ctx);
}

/** What is live as the rest of Lockstep names it: a route that somebody wrote by hand has no other name. */
export function refOf(position: Position): Json | null {
  const { route } = position;
  return liveOf(position) ?? (route === undefined ? null : { route });
}

async function planDeploy(
  position: Position,
  ctx: PlanContext<RoutedConnection>,
): Promise<TargetPlan> {
  const { connection, signal } = ctx;
  const { settings } = connection;
  const source = await readFiles(settings, ctx);
  const from = liveOf(position);
  const base = await baseOf(connection, { from, also: null }, signal);
  if (from !== null && (await connection.release(from, signal)).made === source.made) {
    ctx.log("The source is what the live release was made of; its objects were not looked at.\n");
    return nothing(position, { ref: from, count: source.artifact.files });
  }
  const site = await readSite(ctx, source);
  connection.site = site;
  const { ref, files } = site.release;
  if (from === ref) return nothing(position, { ref, count: files.length });
  refuseShrunk(settings, base, site.release);
  refuseLongKeys(settings, site.release);
  const release = settle(site.release, base);
  await refuseFull(routesOf(release, settings.prefix).table, ctx);
  return {
    ...comparison(base.from, release),
    steps: [
      planned(stage, { id: "stage", phase: "stage", undo: "leave", input: { release: ref, from } }),
      ...checkSteps(ctx, { from, release: ref, isStaged: true }),
      ...liveSteps(ctx, from, ref),
    ],
    basedOn: basedOn(position),
    outputs: { digest: ref },
    undo: UNDO,
  };
}

async function planReturn(
  position: Position,
  refs: readonly Live[],
  ctx: PlanContext<RoutedConnection>,
): Promise<TargetPlan> {
  const { connection, signal } = ctx;
  const wanted = refs[0]?.ref ?? null;
  if (typeof wanted !== "string") return nothing(position);
  const release = await connection.release(wanted, signal);
  const from = liveOf(position);
  if (from === wanted) return nothing(position, { ref: wanted, count: release.files.length });
  const base = await baseOf(connection, { from, also: null }, signal);
  return {
    ...comparison(base.from, release),
    steps: forReturn(liveSteps(ctx, from, wanted)),
    basedOn: basedOn(position),
    outputs: { digest: wanted },
    undo: UNDO,
  };
}

function planRemoval(position: Position): TargetPlan {
  if (position.route === undefined) return nothing(position);
  const everything = { release: null, releases: 0, days: 0 };
  return {
    ...nothing(position),
    changes: [{ action: "remove", what: "the preview", reason: "stale" }],
    steps: [
      planned(activate, { id: "activate", phase: "activate", input: { release: null } }),
      planned(retire, { id: "retire", phase: "retire", input: everything }),
    ],
  };
}

function nothing(
  position: Position,
  live?: { readonly ref: string; readonly count: number },
): TargetPlan {
  return {
    changes: [],
    unchanged: live?.count ?? 0,
    steps: [],
    basedOn: basedOn(position),
    ...(live === undefined ? {} : { outputs: { digest: live.ref } }),
    undo: UNDO,
  };
}

function liveSteps(
  ctx: PlanContext<RoutedConnection>,
  from: string | null,
  release: string,
): PlannedStep[] {
  const input = { release, ...ctx.connection.settings.keep };
  return [
    planned(activate, { id: "activate", phase: "activate", input: { release } }),
    ...checkSteps(ctx, { from, release, isStaged: false }),
    planned(retire, { id: "retire", phase: "retire", input }),
  ];
}

/** The same questions twice: of the staged release, that only who has its name gets, and of the live one. */
function checkSteps(
  { connection, release: { id: run } }: PlanContext<RoutedConnection>,
  {
    from,
    release,
    isStaged,
  }: { readonly from: string | null; readonly release: string; readonly isStaged: boolean },
): PlannedStep[] {
  const { check } = connection.settings;
  if (check === undefined) return [];
  const { until, ...asked } = check;
  const input = { run, release, from, ...asked, clean: true } as const;
  return isStaged
    ? [
        planned(checkSite, {
          id: "check-staged",
          phase: "stage",
          wave: 1,
          input: { ...input, isStaged },
          until,
        }),
      ]
    : [planned(checkSite, { id: "check", phase: "verify", input, until })];
}

function basedOn(position: Position): Json {
  return { live: refOf(position) };
}
