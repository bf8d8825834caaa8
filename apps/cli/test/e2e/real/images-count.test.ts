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

it("asks for at most 15 things in a deploy, and for 3 when nothing changed, however many releases are kept", async () => {
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

    const counts = [...changes, unchanged].map(({ length }) => length);
    process.stdout.write(
      `requests of each deploy, and of one without changes: ${counts.join(", ")}\n`,
    );
    for (const asked of changes.slice(1)) expect(asked.length).toBeLessThanOrEqual(15);
    // the tag, the list of tags, and the config of the image
    expect(unchanged).toHaveLength(3);
    const isList = (line: string): boolean => line.endsWith("/tags/list");
    for (const asked of [...changes, unchanged]) expect(asked.filter(isList)).toHaveLength(1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
