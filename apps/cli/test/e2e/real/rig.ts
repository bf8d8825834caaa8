import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFile,
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  rmdir,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createAccount, makeKeyPair, type Sshd, startSshd } from "@lockstep/testkit";

const CLI = fileURLToPath(new URL("../../..", import.meta.url));
/** Folder of the SSH target. */
export const SSH: string = fileURLToPath(new URL("../../../../../packages/ssh", import.meta.url));

/** Path of the shop on every host; each host sees a folder of its own there. */
export const PATH = "/srv/lockstep-e2e";

/** A real host with an account, a folder that it alone sees at {@link PATH}, and a port for its service. */
export interface TestHost {
  readonly name: string;
  readonly shell: "dash" | "busybox";
  readonly sshd: Sshd;
  readonly uid: number;
  /** What the host sees at PATH, seen from here. */
  readonly root: string;
  /** File with the public keys that may log in. */
  readonly authorizedKeys: string;
  readonly servicePort: number;
}

/** What a command ended with. */
export interface Ended {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Three real hosts and a project that deploys to them with the built CLI. */
export interface Rig extends AsyncDisposable {
  readonly folder: string;
  readonly project: string;
  /** Folder of the artifact. */
  readonly build: string;
  readonly hosts: readonly TestHost[];
  /** Writes the config; `options` are further options of the SSH target as source text. */
  configure(options?: string, hosts?: readonly TestHost[]): Promise<void>;
  /** Runs the CLI as CI does: no terminal, no input. */
  lockstep(...words: readonly string[]): Promise<Ended>;
  /** Deploys, and rejects unless that ends well. */
  mustDeploy(): Promise<void>;
  /** Starts the CLI and returns at once. */
  start(...words: readonly string[]): ChildProcess;
  /** The same with further options of Node and variables. */
  startWith(how: Start, ...words: readonly string[]): ChildProcess;
  /** What each host's `current` points at; null where there is none. */
  links(): Promise<(string | null)[]>;
  /** Everything below releases/ and .lockstep/meta/ of each host. */
  kept(): Promise<{ readonly releases: string[]; readonly meta: string[] }[]>;
}

/** How the CLI is started. */
export interface Start {
  readonly node?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What every project and every host of a rig uses. */
interface Tools {
  /** Private key file of the client. */
  readonly identity: string;
  readonly publicKey: string;
  /** Node, where every account may run it. */
  readonly node: string;
  /** The program that restarts the shop of a host. */
  readonly service: string;
}

/** Starts the hosts: dash, busybox's ash with its applets only, dash. */
export async function startRig(env: Readonly<Record<string, string>> = {}): Promise<Rig> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lockstep-e2e-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const made = await mkdir(PATH, { recursive: true });
  if (made !== undefined) stack.defer(() => rmdir(PATH)); // after the hosts, which see their own folder there
  const tools = await writeTools(folder);
  const hosts: TestHost[] = [];
  for (const [index, shell] of (["dash", "busybox", "dash"] as const).entries()) {
    hosts.push(await startHost(`web-${index + 1}`, { shell, folder, tools, stack }));
  }
  const { project, build } = await makeProject(folder);
  const startWith: Rig["startWith"] = (how, ...words) =>
    spawn(process.execPath, [...(how.node ?? []), join(CLI, "dist/main.js"), ...words], {
      cwd: project,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: folder, CI: "true", ...env, ...how.env },
    });
  const start: Rig["start"] = (...words) => startWith({}, ...words);
  const owned = stack.move();
  return {
    folder,
    project,
    build,
    hosts,
    async configure(options = "", chosen = hosts) {
      const text = configText({ options, hosts: chosen, tools });
      await writeFile(join(project, "lockstep.config.ts"), text);
    },
    start,
    startWith,
    lockstep: (...words) => ended(start(...words)),
    async mustDeploy() {
      const { exit, stderr } = await ended(start("deploy", "-e", "production", "-y"));
      if (exit !== 0) throw new Error(`deploy ended with ${exit}: ${stderr}`);
    },
    links: () =>
      Promise.all(hosts.map(({ root }) => readlink(join(root, "current")).catch(() => null))),
    kept: () =>
      Promise.all(
        hosts.map(async ({ root }) => ({
          releases: await namesIn(join(root, "releases")),
          meta: await namesIn(join(root, ".lockstep/meta")),
        })),
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function writeTools(folder: string): Promise<Tools> {
  const key = makeKeyPair();
  const [identity, node, service] = ["identity", "node", "service.mjs"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await writeFile(identity, key.private, { mode: 0o600 });
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  await copyFile(fileURLToPath(new URL("service.mjs", import.meta.url)), service);
  return { identity, publicKey: key.public, node, service };
}

async function startHost(
  name: string,
  parts: {
    readonly shell: TestHost["shell"];
    readonly folder: string;
    readonly tools: Tools;
    readonly stack: AsyncDisposableStack;
  },
): Promise<TestHost> {
  const { shell, tools, stack } = parts;
  const account = stack.use(await createAccount({ shell }));
  const folder = join(parts.folder, `sshd-${name}`);
  const root = join(parts.folder, `root-${name}`);
  await mkdir(root);
  await chown(root, account.uid, -1);
  const sshd = stack.use(await startSshd({ folder, user: account.name, mounts: [[root, PATH]] }));
  const authorizedKeys = join(folder, "authorized_keys");
  await appendFile(authorizedKeys, `${tools.publicKey}\n`);
  return {
    name,
    shell,
    sshd,
    uid: account.uid,
    root,
    authorizedKeys,
    servicePort: await freePort(),
  };
}

async function makeProject(
  folder: string,
): Promise<{ readonly project: string; readonly build: string }> {
  const project = join(folder, "project");
  const build = join(project, "build");
  await mkdir(join(project, "node_modules/@lockstep"), { recursive: true });
  await mkdir(build);
  await symlink(CLI, join(project, "node_modules/lockstep"));
  await symlink(SSH, join(project, "node_modules/@lockstep/ssh"));
  await writeFile(join(project, "package.json"), '{ "type": "module" }\n');
  return { project, build };
}

/** Sorted, because file systems list in orders of their own; empty when there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.toSorted((left, right) => left.localeCompare(right));
}

/** Services answer on the port of their host; HTTP checks reach it through the SSH connection. */
function configText(parts: {
  readonly options: string;
  readonly hosts: readonly TestHost[];
  readonly tools: Tools;
}): string {
  const { identity, node, service } = parts.tools;
  const hosts = parts.hosts.map(({ name, sshd }) => ({
    name,
    address: sshd.address,
    port: sshd.port,
    user: sshd.user,
    hostKey: sshd.hostKey,
  }));
  const ports = Object.fromEntries(parts.hosts.map(({ name, servicePort }) => [name, servicePort]));
  return `
import { defineConfig, localStore, secret } from "lockstep";
import { ssh } from "@lockstep/ssh";
const hosts = ${JSON.stringify(hosts)};
const ports = ${JSON.stringify(ports)};
const [node, service] = ${JSON.stringify([node, service])};
const common = { identity: ${JSON.stringify(identity)}, path: ${JSON.stringify(PATH)}, source: "build", ...{ ${parts.options} } };
export default defineConfig({
  project: "shop",
  environments: { production: { store: localStore({ ttlMs: 5000 }), targets: targetsOf() } },
});
/** With a service every host is a target of its own, because their ports differ; else one target has all. */
function targetsOf() {
  if (!("service" in common)) return { web: ssh({ ...common, hosts }) };
  const { service: _, ...rest } = common;
  return Object.fromEntries(hosts.map((host) => [host.name, ssh({
    ...rest,
    hosts: [host],
    restart: [node, service, host.name, String(ports[host.name])],
    checks: [{ http: "http://127.0.0.1:" + ports[host.name] + "/health", body: "{release}", until: { successes: 2, intervalMs: 50, deadlineMs: 1500 } }],
  })]));
}
void secret;
`;
}

/** Waits for a process and gathers what it says. */
export async function ended(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [exit] = (await once(child, "close")) as [number | null];
  return { exit, stdout, stderr };
}

/** What a service says of itself; undefined when it does not answer. */
export async function serviceOf({
  servicePort,
}: TestHost): Promise<
  { readonly release: string; readonly pid: number; readonly folder: string } | undefined
> {
  try {
    const response = await fetch(`http://127.0.0.1:${servicePort}/`);
    const { release, pid } = (await response.json()) as { release: string; pid: number };
    return { release, pid, folder: await readlink(`/proc/${pid}/cwd`) };
  } catch {
    return undefined;
  }
}

/** Every file below a folder with its content, for what must not be found anywhere. */
export async function textsBelow(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const texts = await Promise.all(
    files.map((entry) => readFile(join(entry.parentPath, entry.name), "latin1")),
  );
  return texts.join("\n");
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  return port;
}
