import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Distribution, startDistribution } from "@lockstep/testkit";
import { expect, it } from "vitest";
import { type Door, openDoor } from "./images-door.ts";
import { makeProject } from "./images-rig.ts";

const LOGIN = { username: "deploy", password: "not-a-real-password" };
/** Files of one MiB that make the dependencies. */
const FILES = 150;

function configText({ port }: Door, { tokens }: Distribution): string {
  const login = `auth: { username: "${LOGIN.username}", password: secret("PASSWORD") },`;
  const realms = tokens === undefined ? [] : [new URL(tokens.realm).origin];
  return `import { defineConfig, localStore, secret } from "lockstep";
import { registry } from "@lockstep/registry";
export default defineConfig({ project: "shop", environments: { production: {
  store: localStore({ ephemeral: true }),
  targets: { image: registry({
    repository: "127.0.0.1:${port}/acme/shop",
    source: { directory: "app", base: "scratch" },
    ${tokens === undefined ? "" : login}
    network: { plainHttp: true, trustedRealms: ${JSON.stringify(realms)} },
  }) },
} } });
`;
}

/** Dependencies as they come: some of it compresses well, and no file is like another. */
async function install(app: string): Promise<void> {
  const home = join(app, "node_modules/dependency");
  await mkdir(home, { recursive: true });
  await writeFile(join(app, "package.json"), '{"name":"shop"}');
  for (let index = 0; index < FILES; index += 1) {
    const text = randomBytes(8 * 1024).toString("hex");
    await writeFile(join(home, `${index}.js`), text.repeat(64));
  }
}

it.each([
  ["open", 15, 2],
  ["with tokens", 15, 4],
] as const)(
  "asks a registry (%s) for at most %i things in a change of 150 MiB, sends that change, and asks for %i when there is none",
  async (kind, most, unchanged) => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-counts-"));
    await using server = await startDistribution({
      folder: join(folder, "registry"),
      ...(kind === "open" ? {} : { login: LOGIN }),
    });
    await using door = await openDoor(server);
    const project = await makeProject(join(folder, "project"), ["registry"], {
      PASSWORD: LOGIN.password,
    });
    const app = join(project.folder, "app");
    // what the token server is asked counts as well
    const deploy = async (edition: string): Promise<readonly string[]> => {
      await writeFile(join(app, "server.js"), edition);
      const tokens = server.tokens?.asked.length ?? 0;
      door.arm();
      const { exit, said } = await project.deploy();
      expect(exit, said).toBe(0);
      const bought = server.tokens?.asked.slice(tokens) ?? [];
      return [...door.asked, ...bought.map((scopes) => `token ${scopes.join(" ")}`)];
    };
    try {
      await install(app);
      await project.configure(configText(door, server));
      const first = await deploy("// 0");
      const counts = [first.length];
      for (let release = 1; release <= 2; release += 1) {
        const edition = `// ${release} ${randomBytes(20_000).toString("hex")}`;
        const asked = await deploy(edition);
        counts.push(asked.length);
        expect(asked.length, asked.join("\n")).toBeLessThanOrEqual(most);
        expect(door.sentBytes).toBeLessThanOrEqual(gzipSync(edition).length + 64 * 1024);

        const again = await deploy(edition);
        counts.push(again.length);
        // the tag and the list of tags, and with a token how to get one
        expect(again, again.join("\n")).toHaveLength(unchanged);
        const isList = (line: string): boolean => line.endsWith("/tags/list");
        for (const one of [asked, again]) expect(one.filter(isList)).toHaveLength(1);
      }
      process.stdout.write(
        `requests of deploys (${kind}), each then without a change: ${counts.join(", ")}\n`,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
