import type { Json, PlannedStep, WriteContext } from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";
import { ssh, type SshConnection, type SshOptions } from "../src/index.ts";

/** Units that the runner works on at the same time. */
const PARALLEL = 8;

/** A release to deploy: a number that grows makes its name and its stamp. */
export interface Wanted {
  readonly options: SshOptions;
  /** Folder of the config. */
  readonly folder: string;
  readonly number: number;
}

/** A whole deploy, with everything that a run does on its hosts: look, plan, fence, stage, activate. */
export async function deploy({ options, folder, number }: Wanted): Promise<void> {
  const target = ssh(options);
  await using connection = await target.connect(testContext(undefined, { folder }));
  const id = `release-${String(number).padStart(4, "0")}`;
  const run = `bench-${number}`;
  const stamp = { lineage: "0f".repeat(16), epoch: number, run };
  const ctx: WriteContext<SshConnection> = testContext(connection, { folder, stamp, run });
  await target.live(ctx);
  const request = { kind: "deploy", release: { id, createdAt: "" } } as const;
  const { steps } = await target.plan(request, { ...ctx, outputs: () => undefined });
  if (steps.length > 0) await target.fence?.(stamp, ctx);
  for (const phase of ["stage", "activate"] as const) {
    const mine = steps.filter((step) => step.phase === phase);
    const units = [...new Set(mine.map(({ unit }) => unit))];
    const lanes = units.map((unit) => mine.filter((step) => step.unit === unit)).values();
    const work = async (): Promise<void> => {
      for (const lane of lanes) for (const step of lane) await apply(step);
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
  }

  async function apply({ kind, unit, input }: PlannedStep): Promise<void> {
    const handler = target.steps.find((one) => one.kind === kind);
    if (handler === undefined) return;
    const mine = { ...ctx, unit };
    const before: Json = await handler.inspect(input, mine);
    await handler.apply(input, before, mine);
  }
}
