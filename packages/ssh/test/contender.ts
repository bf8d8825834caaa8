import { testContext } from "@lockstep/testkit";
import { ssh } from "../src/index.ts";

/** What one contender is told. */
export interface Contender {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly hostKey: string;
  readonly identity: string;
  readonly path: string;
  /** Folder of the config; `dist` in it is the source. */
  readonly folder: string;
  readonly release: string;
  readonly epoch: number;
}

/** Deploys as a runner of its own would; prints `won` when its release went live. */
async function contend({
  path,
  folder,
  release,
  epoch,
  identity,
  ...host
}: Contender): Promise<void> {
  const target = ssh({
    hosts: [{ name: "web-1", ...host }],
    identity,
    path,
    source: "dist",
    sshConfig: false,
  });
  await using connection = await target.connect(testContext(undefined, { folder }));
  const run = `run-${epoch}`;
  const stamp = { lineage: "0f".repeat(16), epoch, run };
  const ctx = testContext(connection, { folder, unit: "web-1", run, stamp });
  await target.fence?.(stamp, ctx);
  const request = { kind: "deploy", release: { id: release, createdAt: "" } } as const;
  const { steps } = await target.plan(request, { ...ctx, outputs: () => undefined });
  for (const step of steps) {
    const handler = target.steps.find(({ kind }) => kind === step.kind);
    if (handler === undefined) continue;
    await handler.apply(step.input, await handler.inspect(step.input, ctx), ctx);
  }
  process.stdout.write("won\n");
}

const [told] = process.argv.slice(2);
if (told !== undefined) {
  try {
    await contend(JSON.parse(told) as Contender);
  } catch (failure) {
    const error: unknown = failure instanceof AggregateError ? failure.errors[0] : failure;
    process.stdout.write(`${String((error as { code?: unknown }).code ?? error)}\n`);
  }
}
