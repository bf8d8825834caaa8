import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json, PlannedStep, Reverted, Step, Target, WriteContext } from "@lockstep/plugin";
import {
  createAccount,
  type SandboxSsh,
  startSandboxSsh,
  startSshd,
  testContext,
} from "@lockstep/testkit";
import { type SshConnection, type SshOptions, ssh } from "../src/index.ts";

export type Kind = "sandbox" | "dash" | "busybox";

/** Servers that every step has to work on; the real ones need root. */
export const KINDS: readonly Kind[] =
  process.env["LOCKSTEP_TEST"] === "sandbox" ? ["sandbox"] : ["sandbox", "dash", "busybox"];

/** A server, and a folder on it that the account may write to. */
export interface TestHost extends AsyncDisposable {
  readonly server: SandboxSsh;
  readonly root: string;
}

/** In this process with sh, or a real sshd with an account whose shell is dash or busybox. */
export async function startHost(
  kind: Kind,
  env: Readonly<Record<string, string>> = {},
): Promise<TestHost> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-ssh-"));
  if (kind === "sandbox") {
    const server = await startSandboxSsh({ folder, env });
    return {
      server,
      root: folder,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await rm(folder, { recursive: true, force: true });
      },
    };
  }
  const account = await createAccount({ shell: kind });
  const server = await startSshd({ folder, user: account.name });
  return {
    server,
    root: account.home,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await account[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const SMALL: Readonly<Record<string, string>> = {
  "index.html": "one\n",
  "assets/app with 'quotes' & $(spaces).js": "x".repeat(3000),
  "empty.txt": "",
};

/** A target on one host of its own path, and what a runner would give it. */
export class Shop implements AsyncDisposable {
  readonly target: Target<SshConnection>;
  readonly connection: SshConnection;
  /** Path on the host; the test reads it directly, because the host is this machine. */
  readonly path: string;
  /** Folder of the config. */
  readonly folder: string;
  epoch = 1;

  private constructor(
    target: Target<SshConnection>,
    connection: SshConnection,
    place: { readonly path: string; readonly folder: string },
  ) {
    this.target = target;
    this.connection = connection;
    this.path = place.path;
    this.folder = place.folder;
  }

  static async open(host: TestHost, options: Partial<SshOptions> = {}): Promise<Shop> {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-shop-"));
    const { server } = host;
    const path = options.path ?? join(host.root, folder.slice(folder.lastIndexOf("-")), "shop");
    const target = ssh({
      hosts: [{ name: "web-1", address: server.address, port: server.port, user: server.user }],
      source: "dist",
      identity: server.identity,
      knownHosts: server.knownHosts,
      ...options,
      path,
    });
    const connection = await target.connect(testContext(undefined));
    return new Shop(target, connection, { path, folder });
  }

  context(more: Partial<WriteContext<SshConnection>> = {}): WriteContext<SshConnection> {
    const run = more.run ?? `shop-00000${this.epoch}-aaaaaaaa`;
    return testContext(this.connection, {
      folder: this.folder,
      unit: "web-1",
      run,
      stamp: { lineage: "0f".repeat(16), epoch: this.epoch, run },
      ...more,
    });
  }

  /** Fills the source. Executables end in .sh, links are given as `-> target`. */
  async build(files: Readonly<Record<string, string>> = SMALL): Promise<void> {
    const dist = join(this.folder, "dist");
    await rm(dist, { recursive: true, force: true });
    await mkdir(dist);
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(dist, name, ".."), { recursive: true });
      await writeFile(join(dist, name), text, { mode: name.endsWith(".sh") ? 0o755 : 0o644 });
    }
  }

  async fence(more: Partial<WriteContext<SshConnection>> = {}): Promise<void> {
    const ctx = this.context(more);
    await this.target.fence?.(ctx.stamp, ctx);
  }

  async plan(release: string): Promise<readonly PlannedStep[]> {
    const request = { kind: "deploy", release: { id: release, createdAt: "" } } as const;
    return (await this.target.plan(request, { ...this.context(), outputs: () => undefined })).steps;
  }

  /** Runs one step as the runner does. */
  async apply(step: PlannedStep, more: Partial<WriteContext<SshConnection>> = {}): Promise<Json> {
    const handler = this.handlerOf(step);
    const ctx = this.context(more);
    const before = await handler.inspect(step.input, ctx);
    await handler.apply(step.input, before, ctx);
    return before;
  }

  /** Upload and activation of a plan for the source as it is. */
  async planPair(release: string): Promise<readonly [PlannedStep, PlannedStep]> {
    const [upload, activate] = await this.plan(release);
    if (upload === undefined || activate === undefined) throw new Error("nothing is planned");
    return [upload, activate];
  }

  handlerOf(step: PlannedStep): Step<Json, Json, Json, SshConnection> {
    const handler = this.target.steps.find(({ kind }) => kind === step.kind);
    if (handler === undefined) throw new Error(`no handler for ${step.kind}`);
    return handler;
  }

  revert(
    step: PlannedStep,
    before: Json,
    more: Partial<WriteContext<SshConnection>> = {},
  ): Promise<Reverted> | undefined {
    return this.handlerOf(step).revert?.(step.input, before, this.context(more));
  }

  /** Deploys a release as a run of its own: fence, upload, activate, and prune. */
  async deploy(release: string, files: Readonly<Record<string, string>>): Promise<void> {
    await this.build(files);
    await this.fence();
    const steps = await this.plan(release);
    for (const step of steps) {
      if (step.phase === "stage" || step.phase === "activate") await this.apply(step);
      const retire = this.target.retires?.find(({ kind }) => kind === step.kind);
      await retire?.retire(step.input, this.context());
    }
    this.epoch += 1;
    await this.fence();
  }

  /** What is live, by the file system alone: link and contents. */
  async observe(): Promise<unknown> {
    const current = join(this.path, "current");
    const link = await readlink(current).catch(() => null);
    return link === null ? null : { link, files: await contents(join(this.path, link)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection[Symbol.asyncDispose]();
    // The goodbye to a host is not waited for, and may still be writing there.
    await rm(this.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Every file below a folder with its text. */
export async function contents(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path.slice(folder.length + 1), await readFile(path, "utf8")] as const;
      }),
  );
  return Object.fromEntries(files.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The state that the meta of a release has; null without one. */
export async function stateOf(path: string, release: string): Promise<string | null> {
  const file = join(path, ".lockstep/meta", release, "state");
  return (await readFile(file, "utf8").catch(() => null))?.trim() ?? null;
}

/** Somebody points the link of a shop at a folder of their own. */
export async function linkByHand(shop: Shop): Promise<void> {
  await mkdir(join(shop.path, "by-hand"), { recursive: true });
  await rm(join(shop.path, "current"), { force: true });
  await symlink("by-hand", join(shop.path, "current"));
}
