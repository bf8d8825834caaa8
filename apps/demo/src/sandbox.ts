import { chmod, copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import {
  type SandboxSsh,
  startSandboxRegistry,
  startSandboxS3,
  startSandboxSsh,
} from "@lockstep/testkit";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";
import { openWebsite } from "./website.ts";

/** What the config needs to know of a host. */
export interface Host {
  /** Where in the world it would be: `eu`. */
  readonly region: string;
  readonly login: {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly user: string;
    readonly hostKey: string;
  };
  /** Path of the private key that is let in. */
  readonly identity: string;
  /** Where releases go; absolute. */
  readonly path: string;
  /** Where users find the shop: `http://127.0.0.1:41001`. */
  readonly site: string;
}

/** Everything the config is told, as JSON. */
export interface Sandbox {
  /** Folder of the built shop. */
  readonly artifact: string;
  /** Folder of lease, journal and history. */
  readonly state: string;
  readonly hosts: readonly Host[];
  /** Where images go: `127.0.0.1:41003`. */
  readonly registry: string;
  readonly bucket: Bucket;
}

/** What the config needs to know of the bucket; its secret key is in the environment. */
export interface Bucket {
  readonly name: string;
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  /** Where everybody reads it: `http://127.0.0.1:41005`. */
  readonly site: string;
}

/** Two hosts, a container registry and a bucket on this machine, and a folder for everything the hosts write. */
export interface RunningSandbox extends Sandbox, AsyncDisposable {
  /** Temporary; removed with the sandbox. */
  readonly folder: string;
  /** The sandbox as a file. */
  readonly file: string;
  /** What a pipeline would keep for the deploy: variables with their values. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly doors: readonly FrontDoor[];
}

const BUCKET = "shop-pages";

/** Starts hosts, registry and S3 server; disposing ends them and all they started, and removes the folder unless it is kept. */
export async function startSandbox({ keep }: { readonly keep: boolean }): Promise<RunningSandbox> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "lockstep-demo-")));
  const stack = new AsyncDisposableStack();
  stack.defer(async () => {
    if (!keep) await rm(folder, { recursive: true, force: true });
  });
  try {
    const hosts: Host[] = [];
    const doors: FrontDoor[] = [];
    for (const region of ["eu", "us"]) {
      const home = join(folder, `${region}-1`);
      const server = stack.use(await startHost(home));
      const door = stack.use(await openFrontDoor(join(home, "run/live.json")));
      hosts.push(hostOf(region, server, door));
      doors.push(door);
    }
    const { host: registry } = stack.use(await startSandboxRegistry());
    const [artifact, state] = [join(folder, "build"), join(folder, "state")];
    const s3 = stack.use(await startSandboxS3({ buckets: [BUCKET] }));
    const { url } = stack.use(await openWebsite(s3.buckets.get(BUCKET) ?? new Map()));
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const { endpoint, region } = s3;
    const bucket = { name: BUCKET, endpoint, region, accessKeyId, site: url };
    const sandbox = { artifact, state, hosts, registry, bucket };
    const secrets = { S3_SECRET_KEY: secretAccessKey };
    const file = join(folder, "sandbox.json");
    await writeFile(file, JSON.stringify(sandbox, null, 2));
    const all = stack.move();
    return {
      ...sandbox,
      folder,
      file,
      secrets,
      doors,
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** A host with real shells, and the program that its operator put there to restart the shop. */
async function startHost(home: string): Promise<SandboxSsh> {
  const bin = join(home, "bin");
  await mkdir(bin, { recursive: true });
  const program = join(bin, "shopctl");
  await copyFile(join(import.meta.dirname, "../host/shopctl.mjs"), program);
  await chmod(program, 0o755);
  const path = [bin, dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"];
  return startSandboxSsh({ folder: home, env: { PATH: path.join(delimiter) } });
}

function hostOf(region: string, server: SandboxSsh, { url }: FrontDoor): Host {
  const { address, port, user, hostKey, identity } = server;
  return {
    region,
    login: { name: `${region}-1`, address, port, user, hostKey },
    identity,
    path: join(server.folder, "shop"),
    site: url,
  };
}
