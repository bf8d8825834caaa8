import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  Json,
  Live,
  PlannedStep,
  Release,
  Reverted,
  Step,
  Target,
  TargetPlan,
  WriteContext,
} from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";
import { registry, type RegistryConnection, type RegistryOptions } from "../src/index.ts";

export const ONE: Release = {
  id: "20261121T101500Z-00000001",
  createdAt: "2026-11-21T10:15:00.000Z",
};
export const TWO: Release = {
  id: "20261121T101501Z-00000002",
  createdAt: "2026-11-21T10:15:01.000Z",
};
export const THREE: Release = {
  id: "20261121T101502Z-00000003",
  createdAt: "2026-11-21T10:15:02.000Z",
};

/** What a small shop is made of; version decides the text of one file. */
export function filesOf(version: string): Record<string, string> {
  return {
    "package.json": '{"name":"shop"}\n',
    "server.js": `// ${version}\n`,
    "public/style.css": "body {}\n",
    "node_modules/dep/index.js": "module.exports = 1;\n",
    "node_modules/dep/package.json": '{"name":"dep","version":"1.2.3"}\n',
  };
}

/** The digest that a plan promises. */
export function digestIn(outputs: TargetPlan["outputs"]): string {
  const digest = outputs?.["digest"];
  if (typeof digest !== "string") throw new TypeError("The plan promises no digest.");
  return digest;
}

/** Writes files below a folder, which is emptied first. */
export async function fill(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), content, { mode: name.endsWith(".sh") ? 0o755 : 0o644 });
  }
}

/** A target on a registry, and what a runner would give it. */
export class Shop implements AsyncDisposable {
  readonly target: Target<RegistryConnection>;
  readonly connection: RegistryConnection;
  /** Folder of the config; the source is `dist` in it. */
  readonly folder: string;
  readonly env: Record<string, string>;
  readonly lines: string[] = [];
  readonly masked: string[] = [];
  release: Release = ONE;
  #outputs: Map<string, Json> = new Map();

  private constructor(
    target: Target<RegistryConnection>,
    connection: RegistryConnection,
    place: { folder: string; env: Record<string, string> },
  ) {
    this.target = target;
    this.connection = connection;
    this.folder = place.folder;
    this.env = place.env;
  }

  static async open(
    options: Partial<RegistryOptions> & Pick<RegistryOptions, "repository">,
    { env = {}, folder }: { env?: Record<string, string>; folder?: string } = {},
  ): Promise<Shop> {
    const home = folder ?? (await mkdtemp(join(tmpdir(), "lockstep-image-")));
    const target = registry({
      source: { directory: "dist", base: "scratch" },
      limits: { backoffMs: 5 },
      ...options,
      network: { plainHttp: true, ...options.network },
    });
    if (target.problems !== undefined) throw new Error(JSON.stringify(target.problems));
    const variables = { HOME: home, ...env };
    const connection = await target.connect(
      testContext(undefined, { folder: home, env: variables }),
    );
    return new Shop(target, connection, { folder: home, env: variables });
  }

  context(more: Partial<WriteContext<RegistryConnection>> = {}): WriteContext<RegistryConnection> {
    return testContext(this.connection, {
      folder: this.folder,
      env: this.env,
      release: this.release,
      output: (step) => this.#outputs.get(step),
      log: (text) => void this.lines.push(text),
      mask: (value) => void this.masked.push(value),
      ...more,
    });
  }

  build(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    return fill(join(this.folder, "dist"), files);
  }

  plan(release: Release = this.release): Promise<TargetPlan> {
    this.release = release;
    return this.target.plan(
      { kind: "deploy", release },
      { ...this.context(), outputs: () => undefined },
    );
  }

  planReturn(refs: readonly Live[]): Promise<TargetPlan> {
    return this.target.plan(
      { kind: "return", refs },
      { ...this.context(), outputs: () => undefined },
    );
  }

  live(): Promise<readonly Live[]> {
    return this.target.live(this.context());
  }

  handlerOf({ kind }: PlannedStep): Step<Json, Json, Json, RegistryConnection> {
    const handler = this.target.steps.find((step) => step.kind === kind);
    if (handler === undefined) throw new Error(`no handler for ${kind}`);
    return handler;
  }

  stepOf({ steps }: TargetPlan, phase: PlannedStep["phase"]): PlannedStep {
    const step = steps.find((one) => one.phase === phase);
    if (step === undefined) throw new Error(`nothing is planned to ${phase}`);
    return step;
  }

  async apply(
    step: PlannedStep,
    more: Partial<WriteContext<RegistryConnection>> = {},
  ): Promise<Json> {
    const handler = this.handlerOf(step);
    const ctx = this.context(more);
    const before = await handler.inspect(step.input, ctx);
    this.#outputs.set(step.id, await handler.apply(step.input, before, ctx));
    return before;
  }

  revert(step: PlannedStep, before: Json): Promise<Reverted> | undefined {
    return this.handlerOf(step).revert?.(step.input, before, this.context());
  }

  async check({ steps }: TargetPlan): Promise<string[]> {
    const checks = steps.filter(({ phase }) => phase === "verify");
    return Promise.all(
      checks.map(async ({ input }) => {
        const { status, found } = (await this.target.checks?.[0]?.check(input, this.context())) ?? {
          status: "no check",
        };
        return found === undefined ? status : `${status}: ${found}`;
      }),
    );
  }

  async retire({ steps }: TargetPlan): Promise<void> {
    for (const { input } of steps.filter(({ phase }) => phase === "retire")) {
      await this.target.retires?.[0]?.retire(input, this.context());
    }
  }

  /** A run of its own, to its good end. */
  async deploy(
    release: Release,
    files?: Readonly<Record<string, string | Uint8Array>>,
  ): Promise<TargetPlan> {
    if (files !== undefined) await this.build(files);
    const plan = await this.plan(release);
    for (const step of plan.steps) {
      if (step.phase === "stage" || step.phase === "activate") await this.apply(step);
    }
    const failed = (await this.check(plan)).filter((status) => status !== "pass");
    if (failed.length > 0) throw new Error(failed.join("\n"));
    await this.retire(plan);
    return plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
