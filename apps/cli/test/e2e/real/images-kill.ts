import { once } from "node:events";
import { access, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDistribution } from "@lockstep/testkit";
import { expect } from "vitest";
import { type Door, openDoor } from "./images-door.ts";
import { endOf, makeProject, type Project } from "./images-rig.ts";

const TAGS = ["1.4.2", "1.4", "1", "latest"];

/** The runs that are killed: a push of four tags; one whose tags are put back; the same where there were none. */
export const KINDS = ["deploy", "failing deploy", "failing first deploy"] as const;

/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number];

/** CNCF distribution behind a door, a project that pushes through it, and a check that comes after the tags. */
export interface KillRig extends AsyncDisposable {
  readonly kind: Kind;
  /** Builds the next edition and deploys it; returns once the process ended. */
  run(kill?: { readonly at: number; readonly when: "before" | "after" }): Promise<{
    readonly exit: number | null;
    /** Requests that were made. */
    readonly asked: readonly string[];
    readonly said: string;
  }>;
  readonly project: Project;
  /** Digest by tag, as the registry's own files say; what cannot be pulled is said instead. */
  tags(): Promise<Readonly<Record<string, string>>>;
  /** Tags that could not be pulled at some moment. */
  readonly broken: readonly string[];
  /** Begins with a repository that nobody has pushed to. */
  renew(): Promise<void>;
}

/** Starts a registry and makes a project, with three releases behind it unless its first one is to fail. */
export async function startKillRig(kind: Kind): Promise<KillRig> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lockstep-kills-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const server = stack.use(await startDistribution({ folder: join(folder, "registry") }));
  const project = await makeProject(join(folder, "project"), ["registry", "http"]);
  const door = stack.use(await openDoor(server));
  let [edition, repository] = [0, 0];
  let accepted: string | undefined = "all";
  const health = createServer((_request, response) => {
    void tags().then(({ latest }) =>
      response.writeHead(accepted === "all" || latest === accepted ? 200 : 500).end(),
    );
  });
  health.listen(0, "127.0.0.1");
  await once(health, "listening");
  stack.defer(() => void health.close());

  const broken: string[] = [];
  const tags = async (): Promise<Record<string, string>> =>
    tagsIn(join(folder, "registry/data/docker/registry/v2"), `acme/shop-${repository}`);
  door.look = async () => {
    const all = Object.values(await tags());
    broken.push(...all.filter((digest) => !digest.startsWith("sha256:")));
  };
  const owned = stack.move();
  const rig: KillRig = {
    kind,
    project,
    tags,
    broken,
    async run(kill) {
      // a failing one is one that users get and nobody has accepted
      accepted = kind === "deploy" ? "all" : (await tags())["latest"];
      edition += 1;
      await project.build({ "server.js": `// ${edition}\n`, "public/a.txt": "same\n" });
      door.arm();
      const victim = project.start("deploy", "-e", "production", "-y");
      if (kill !== undefined) door.arm({ ...kill, victim });
      const { exit, said } = await endOf(victim);
      const { asked } = door;
      door.arm();
      return { exit, said, asked };
    },
    async renew() {
      repository += 1;
      await rm(join(project.folder, ".lockstep"), { recursive: true, force: true });
      await project.configure(configText(door, `acme/shop-${repository}`, health.address()));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  await rig.renew();
  const behind = kind === "failing first deploy" ? 0 : 3;
  for (let releases = 0; releases < behind; releases += 1) {
    edition += 1;
    await project.build({ "server.js": `// ${edition}\n`, "public/a.txt": "same\n" });
    const { exit, said } = await project.deploy();
    expect(exit, said).toBe(0);
  }
  return rig;
}

function configText(door: Door, name: string, health: AddressInfo | string | null): string {
  const url = `http://127.0.0.1:${(health as AddressInfo).port}/`;
  return `import { defineConfig, localStore } from "lockstep";
import { http } from "@lockstep/http";
import { registry } from "@lockstep/registry";
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: {
    image: registry({
      repository: "127.0.0.1:${door.port}/${name}",
      source: { directory: "build", base: "scratch" },
      tags: ${JSON.stringify(TAGS)}, keep: 2,
      network: { plainHttp: true }, limits: { backoffMs: 1 },
    }),
    users: http({ checks: [{ url: "${url}", until: { successes: 1, intervalMs: 0, deadlineMs: 0 } }] }),
  },
  order: ["image", "users"],
} } });
`;
}

/** Points at which a run can be killed, from a run that is not: two for each request. */
export async function pointsOf(rig: KillRig): Promise<number> {
  const { exit, asked, said } = await rig.run();
  expect(exit, said).toBe(rig.kind === "deploy" ? 0 : 31);
  return asked.length * 2;
}

/**
 * Kills a run at a point, recovers, and looks at the registry's own files.
 *
 * @returns Whether it was killed.
 */
export async function killAndRecover(rig: KillRig, point: number): Promise<boolean> {
  if (rig.kind === "failing first deploy") await rig.renew();
  const before = await rig.tags();
  const kill = {
    at: Math.floor(point / 2) + 1,
    when: point % 2 === 0 ? "before" : "after",
  } as const;

  const { exit, asked, said } = await rig.run(kill);
  const where = `${rig.kind}, killed ${kill.when} request ${kill.at} (${asked.at(-1)})\n${said}`;
  expect([null, 0, 31], where).toContain(exit);
  const recovered = await rig.project.lockstep("recover", "-e", "production");
  expect(recovered.exit, `${where}\n${recovered.said}`).toBe(0);

  const after = await rig.tags();
  const digests = TAGS.map((tag) => after[tag]);
  expect(new Set(digests).size, `${where}\n${JSON.stringify(after)}`).toBe(1);
  const isNew = digests[0] !== before["latest"];
  if (rig.kind !== "deploy") expect(isNew, where).toBe(false);
  if (!isNew) expect(after, where).toEqual(before);
  expect(
    Object.values(after).filter((digest) => !digest.startsWith("sha256:")),
    where,
  ).toEqual([]);
  expect(rig.broken, where).toEqual([]);
  const again = await rig.project.lockstep("recover", "-e", "production");
  expect([again.exit, await rig.tags()], `${where}\n${again.said}`).toEqual([0, after]);
  return exit === null;
}

/**
 * What CNCF distribution would give for each tag, read from its files.
 *
 * @see CNCF distribution 2.8, "registry/storage/paths.go"
 */
async function tagsIn(root: string, name: string): Promise<Record<string, string>> {
  const folder = join(root, "repositories", name);
  const names = await readdir(join(folder, "_manifests/tags")).catch(() => []);
  const read = async (tag: string): Promise<readonly [string, string] | undefined> => {
    const link = join(folder, "_manifests/tags", tag, "current/link");
    const digest = await readFile(link, "utf8").catch(() => undefined);
    if (digest === undefined) return undefined;
    const lost = await lostIn(root, folder, digest);
    return [tag, lost === undefined ? digest : `${tag} lacks ${lost}`];
  };
  const all = await Promise.all(names.map(read));
  return Object.fromEntries(all.filter((entry) => entry !== undefined));
}

/** The first thing that somebody who pulls a digest does not get. */
async function lostIn(root: string, folder: string, digest: string): Promise<string | undefined> {
  const dataOf = (one: string): string => {
    const hex = one.slice("sha256:".length);
    return join(root, "blobs/sha256", hex.slice(0, 2), hex, "data");
  };
  const linkOf = (kind: string, one: string): string =>
    join(folder, kind, one.replace(":", "/"), "link");
  const isThere = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  if (!(await isThere(linkOf("_manifests/revisions", digest)))) return `the manifest ${digest}`;
  const manifest = JSON.parse(await readFile(dataOf(digest), "utf8")) as {
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string }[];
  };
  for (const { digest: blob } of [manifest.config, ...manifest.layers]) {
    if (!(await isThere(linkOf("_layers", blob))) || !(await isThere(dataOf(blob)))) return blob;
  }
  return undefined;
}
