import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSandboxS3 } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { makeProject } from "./real/images-rig.ts";

/** How much is deployed, and what a whole process may hold for it, Node and all, in MiB. */
export interface Amount {
  readonly files: number;
  /** Of one file. */
  readonly bytes: number;
  readonly mostMiB: number;
}

const FOLDERS = 100;

/** Deploys a site to a bucket, first and again with one page changed, by the built command. */
export function describeSiteMemory({ files, bytes, mostMiB }: Amount): void {
  describe("a process that deploys a site", () => {
    it(`of ${files} files holds at most ${mostMiB} MiB, first and incremental`, async () => {
      await using server = await startSandboxS3({ buckets: ["shop"] });
      const { endpoint, region, credentials } = server;
      const env = { S3_SECRET_KEY: credentials.secretAccessKey };
      await using deployed = await startMeasured("s3", env);
      await deployed.configure(`s3({
        bucket: "shop", endpoint: "${endpoint}", region: "${region}", source: "build",
        credentials: { accessKeyId: "${credentials.accessKeyId}", secretAccessKey: secret("S3_SECRET_KEY") },
      })`);
      const peaks = await deployed.peaksOf({ files, bytes });

      expect(Math.max(...peaks)).toBeLessThanOrEqual(mostMiB);
      expect(server.buckets.get("shop")?.get("d1/p1.html")?.body.byteLength).toBe(bytes);
    }, 3_600_000);
  });
}

/** A project whose deploys are measured. */
export interface Measured extends AsyncDisposable {
  readonly folder: string;
  /** @param target - As it is written in a config. */
  configure(target: string): Promise<void>;
  /** Deploys so many files, then one that changed; the most that each process held, in MiB. */
  peaksOf(tree: Omit<Amount, "mostMiB">): Promise<readonly number[]>;
}

/** Makes a project with one target of a package. */
export async function startMeasured(
  plugin: "s3" | "ssh",
  env: Readonly<Record<string, string>> = {},
): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-memory-"));
  const file = join(folder, "peak");
  const watch = `--import=${join(import.meta.dirname, "peak.mjs")}`;
  const all = { ...env, NODE_OPTIONS: watch, PEAK_FILE: file };
  const project = await makeProject(join(folder, "project"), [plugin], all);
  const peak = async (): Promise<number> => {
    const { exit, said } = await project.deploy();
    expect(exit, said).toBe(0);
    return Math.ceil(Number(await readFile(file, "utf8")) / 1024 / 1024);
  };
  const build = join(project.folder, "build");
  return {
    folder,
    configure: (target) => project.configure(configOf(plugin, target)),
    async peaksOf({ files, bytes }) {
      await writePages(build, files, bytes);
      const first = await peak();
      await writeFile(join(build, "d1/p1.html"), page(files + 1, bytes));
      const second = await peak();
      process.stdout.write(`${plugin}, ${files} files: ${first} MiB, then ${second} MiB\n`);
      return [first, second];
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

function configOf(plugin: string, target: string): string {
  return `import { defineConfig, localStore, secret } from "lockstep";
import { ${plugin} } from "@lockstep/${plugin}";
void secret;
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore(), targets: { one: ${target} },
} } });
`;
}

async function writePages(build: string, files: number, bytes: number): Promise<void> {
  for (let index = 0; index < FOLDERS; index += 1) {
    await mkdir(join(build, `d${index}`), { recursive: true });
  }
  for (let index = 0; index < files; index += 1) {
    await writeFile(join(build, `d${index % FOLDERS}`, `p${index}.html`), page(index, bytes));
  }
}

/** Another one for each number, all of one size. */
function page(index: number, bytes: number): string {
  return `<!doctype html><title>${index}</title>`.padEnd(bytes, `words of page ${index} `);
}
