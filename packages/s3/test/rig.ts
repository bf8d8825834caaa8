import type { Json, Live, PlannedStep, Target, TargetPlan, WriteContext } from "@lockstep/plugin";
import { type S3Bucket, type SandboxS3, startSandboxS3, testContext } from "@lockstep/testkit";
import { s3, type S3Connection, type S3Options } from "../src/index.ts";
import { Folder, optionsFor, type Server } from "./world.ts";

/** How a rig is set up. */
export interface RigOptions extends Partial<S3Options> {
  readonly server?: Partial<Parameters<typeof startSandboxS3>[0]>;
}

/** What a step saw before it was applied. */
export interface Done {
  readonly step: PlannedStep;
  readonly before: Json;
}

/** A site, a sandbox server, and the phases of a run without a runner. */
export class Rig implements AsyncDisposable {
  readonly server: Server;
  readonly folder: Pick<Folder, "path" | "build">;
  readonly target: Target<S3Connection>;
  readonly connection: S3Connection;
  /** What was said. */
  readonly lines: string[] = [];
  now: number = Date.parse("2026-11-21T00:00:00Z");
  #epoch = 1;

  readonly #owned: readonly AsyncDisposable[];

  private constructor(
    parts: Pick<Rig, "server" | "folder" | "target" | "connection">,
    owned: readonly AsyncDisposable[],
  ) {
    this.server = parts.server;
    this.folder = parts.folder;
    this.target = parts.target;
    this.connection = parts.connection;
    this.#owned = owned;
  }

  static async open({ server: serverOptions, ...options }: RigOptions = {}): Promise<Rig> {
    const server = await startSandboxS3({ buckets: ["shop"], ...serverOptions });
    const folder = await Folder.open();
    return Rig.join({ server, folder, owned: [server, folder] }, options);
  }

  /** A rig on a server and a folder that are there; what is owned goes with it. */
  static async join(
    {
      server,
      folder,
      owned = [],
    }: Pick<Rig, "server" | "folder"> & { readonly owned?: readonly AsyncDisposable[] },
    options: Partial<S3Options> = {},
  ): Promise<Rig> {
    const target = s3(optionsFor(server, options.bucket ?? "shop", options));
    const env = { S3_SECRET: server.credentials.secretAccessKey };
    const connection = await target.connect(testContext(undefined, { folder: folder.path, env }));
    return new Rig({ server, folder, target, connection }, owned);
  }

  /** The same bucket and folder, with other options; the server goes with what comes back. */
  async again(options: Partial<S3Options>): Promise<Rig> {
    const { server, folder } = this;
    await this.connection[Symbol.asyncDispose]();
    return Rig.join({ server, folder, owned: this.#owned }, options);
  }

  /** Another process on the same bucket and folder. */
  beside(options: Partial<S3Options> = {}): Promise<Rig> {
    return Rig.join({ server: this.server, folder: this.folder }, options);
  }

  get sandbox(): SandboxS3 {
    if (!("buckets" in this.server)) throw new Error("this server is in another process");
    return this.server as SandboxS3;
  }

  get objects(): S3Bucket {
    return this.sandbox.buckets.get("shop") ?? new Map();
  }

  /** The bytes of a live object as text; undefined when there is none. */
  text(key: string): string | undefined {
    const found = this.objects.get(key);
    return found === undefined ? undefined : Buffer.from(found.body).toString();
  }

  /** Keys without Lockstep's own. */
  keys(): string[] {
    return [...this.objects.keys()].filter((key) => !key.includes(".lockstep/")).toSorted();
  }

  /** Somebody else writes an object. */
  edit(key: string, text: string): void {
    const body = Buffer.from(text);
    this.objects.set(key, { body, etag: `"${text.length}"`, headers: {}, modifiedMs: 0 });
  }

  context(more: Partial<WriteContext<S3Connection>> = {}): WriteContext<S3Connection> {
    const run = `test-${String(this.#epoch).padStart(6, "0")}-00000000`;
    const stamp = { lineage: "0".repeat(32), epoch: this.#epoch, run };
    return testContext(this.connection, {
      folder: this.folder.path,
      env: { S3_SECRET: this.server.credentials.secretAccessKey },
      stamp,
      now: () => this.now,
      log: (text) => void this.lines.push(text),
      ...more,
    });
  }

  plan(refs?: readonly Live[]): Promise<TargetPlan> {
    const release = { id: "20261121T000000Z-00000000", createdAt: "2026-11-21T00:00:00.000Z" };
    const request =
      refs === undefined
        ? ({ kind: "deploy", release } as const)
        : ({ kind: "return", refs } as const);
    return this.target.plan(request, { ...this.context(), outputs: () => undefined });
  }

  async live(): Promise<Live> {
    const [live] = await this.target.live(this.context());
    if (live === undefined) throw new Error("live says nothing");
    return live;
  }

  async fence(): Promise<void> {
    this.#epoch += 1;
    const context = this.context();
    await this.target.fence?.(context.stamp, context);
  }

  async apply(
    { steps }: TargetPlan,
    phase: "stage" | "activate",
    begin: (done: Done) => Promise<void> = async () => {},
  ): Promise<Done[]> {
    const done: Done[] = [];
    for (const step of steps.filter((one) => one.phase === phase)) {
      const handler = this.target.steps.find(({ kind }) => kind === step.kind);
      if (handler === undefined) continue;
      const before = await handler.inspect(step.input, this.context());
      await begin({ step, before });
      await handler.apply(step.input, before, this.context());
      done.push({ step, before });
    }
    return done;
  }

  async revert(done: readonly Done[]): Promise<string[]> {
    const said: string[] = [];
    for (const { step, before } of done.toReversed()) {
      const handler = this.target.steps.find(({ kind }) => kind === step.kind);
      said.push((await handler?.revert?.(step.input, before, this.context())) ?? "left");
    }
    return said;
  }

  async retire({ steps }: TargetPlan): Promise<void> {
    for (const step of steps.filter(({ phase }) => phase === "retire")) {
      const handler = this.target.retires?.find(({ kind }) => kind === step.kind);
      await handler?.retire(step.input, this.context());
    }
  }

  /** A whole run of its own. */
  async deploy(files?: Readonly<Record<string, string | Uint8Array>>): Promise<TargetPlan> {
    if (files !== undefined) await this.folder.build(files);
    const plan = await this.plan();
    await this.fence();
    await this.apply(plan, "stage");
    await this.apply(plan, "activate");
    await this.retire(plan);
    return plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection[Symbol.asyncDispose]();
    for (const one of this.#owned) await one[Symbol.asyncDispose]();
  }
}
