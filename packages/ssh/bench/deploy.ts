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
  /** Told what begins and how it ends; absent: nobody is. */
  readonly watch?: Watch;
}

/** Sees what a deploy does. */
export interface Watch {
  /** The connection, as the deploy is to use it. */
  connection(made: SshConnection): SshConnection;
  /** Called with what begins; resolves with what that resolves with. */
  phase<T>(what: string, work: () => Promise<T>): Promise<T>;
}

const UNWATCHED: Watch = { connection: (made) => made, phase: async (_, work) => work() };

/** A whole deploy, with everything that a run does on its hosts: look, plan, fence, stage, activate. */
export async function deploy({
  options,
  folder,
  number,
  watch = UNWATCHED,
}: Wanted): Promise<void> {
  const target = ssh(options);
  await using made = await target.connect(testContext(undefined, { folder }));
  const connection = watch.connection(made);
  const id = `release-${String(number).padStart(4, "0")}`;
  const run = `bench-${number}`;
  const stamp = { lineage: "0f".repeat(16), epoch: number, run };
  const ctx: WriteContext<SshConnection> = testContext(connection, { folder, stamp, run });
  await watch.phase("live", async () => target.live(ctx));
  const request = { kind: "deploy", release: { id, createdAt: "" } } as const;
  const { steps } = await watch.phase("plan", async () =>
    target.plan(request, { ...ctx, outputs: () => undefined }),
  );
  if (steps.length > 0) await watch.phase("fence", async () => target.fence?.(stamp, ctx));
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
    const inspect = async (): Promise<Json> => handler.inspect(input, mine);
    const before = await watch.phase(`${kind} inspect`, inspect);
    await watch.phase(`${kind} apply`, async () => handler.apply(input, before, mine));
  }
}
