import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDistribution } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { type Door, openDoor } from "./images-door.ts";
import { makeProject } from "./images-rig.ts";

function configText({ port }: Door): string {
  return `import { defineConfig, localStore } from "lockstep";
import { registry } from "@lockstep/registry";
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: { image: registry({
    repository: "127.0.0.1:${port}/acme/shop",
    source: { directory: "build", base: "scratch" },
    network: { plainHttp: true },
  }) },
} } });
`;
}

it("looks at the releases that are kept once, however often a run looks at what is live", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-counts-"));
  await using server = await startDistribution({ folder: join(folder, "registry") });
  await using door = await openDoor(server);
  const project = await makeProject(join(folder, "project"), ["registry"]);
  const deploy = async (): Promise<readonly string[]> => {
    door.arm();
    const { exit, said } = await project.deploy();
    expect(exit, said).toBe(0);
    return door.asked;
  };
  try {
    await project.configure(configText(door));
    const changes: (readonly string[])[] = [];
    for (const edition of ["1", "2", "3", "4"]) {
      await project.build({ "server.js": `// ${edition}\n` });
      changes.push(await deploy());
    }
    const unchanged = await deploy();

    const isAnchor = (line: string): boolean => /\/manifests\/release-/.test(line);
    const counts = [...changes, unchanged].map((asked) => [
      asked.filter((line) => line.endsWith("/tags/list") || isAnchor(line)).length,
      asked.filter((line) => !line.endsWith("/tags/list") && !isAnchor(line)).length,
    ]);
    process.stdout.write(`requests, kept releases and others: ${JSON.stringify(counts)}\n`);
    for (const [, others] of counts.slice(1, -1)) expect(others).toBeLessThanOrEqual(15);
    // the tag three times, by the runner and by the plan, and the config
    expect(unchanged.filter((line) => !isAnchor(line))).toHaveLength(5);
    expect(unchanged.filter(isAnchor)).toHaveLength(4);
    for (const asked of changes) {
      const reads = asked.filter((line) => isAnchor(line) && line.startsWith("GET"));
      // the release's own: there is none yet, and then it is there
      const [own = ""] = asked.filter((line) => isAnchor(line) && line.startsWith("PUT"));
      expect(reads.filter((line) => line.endsWith(own.slice("PUT".length)))).toHaveLength(2);
      expect(new Set(reads).size).toBe(reads.length - 1);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
