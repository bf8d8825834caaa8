import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type SandboxKeyValues,
  type SandboxS3,
  startSandboxKeyValues,
  startSandboxS3,
} from "@lockstep/testkit";
import { expect } from "vitest";
import { lockstep, newShop, type Said } from "../shop.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const PRODUCTION = ["-e", "production"];

/** A site behind the router of CloudFront, deployed by the program as users run it. */
export interface RoutedSite extends AsyncDisposable {
  /** Builds an edition and deploys it in a process of its own, which is killed around a request to either server. */
  run(
    edition: number,
    kill?: { readonly at: number; readonly when: "before" | "after" },
  ): Promise<{ readonly exit: number | null; readonly asked: number; readonly said: string }>;
  lockstep(...words: readonly string[]): Promise<Said>;
  /** What visitors get: one page and what it needs; what cannot be had is said. */
  visible(): string;
  /** All that visitors got at any request. */
  readonly seen: Set<string>;
}

/** Starts both servers and makes a project. */
export async function openRoutedSite(): Promise<RoutedSite> {
  const server = await startSandboxS3({ buckets: ["shop"], fault: () => befall() });
  const store = await startSandboxKeyValues(server.credentials.accessKeyId);
  const { folder } = await newShop();
  const env = { S3_SECRET: server.credentials.secretAccessKey };
  await writeFile(join(folder, "lockstep.config.ts"), configOf(server, store));
  const seen = new Set<string>();
  const visible = (): string => visibleIn(server, store);
  let asked = 0;
  let kill: { at: number; when: "before" | "after"; victim: ChildProcess } | undefined;
  const befall = (): "slow-down" | "lost-reply" | undefined => {
    asked += 1;
    seen.add(visible());
    if (kill === undefined || asked !== kill.at) return undefined;
    kill.victim.kill("SIGKILL");
    return kill.when === "before" ? "slow-down" : "lost-reply";
  };
  store.fault = befall;
  return {
    seen,
    visible,
    lockstep: (...words) => lockstep([...words, ...PRODUCTION], { cwd: folder, env }),
    async run(edition, wanted) {
      await build(folder, edition);
      asked = 0;
      const words = ["--conditions=@lockstep/source", MAIN, "deploy", "-y", ...PRODUCTION];
      const stdio = ["ignore", "pipe", "pipe"] as const;
      const all = { ...process.env, ...env };
      const victim = spawn(process.execPath, words, { cwd: folder, env: all, stdio: [...stdio] });
      if (wanted !== undefined) kill = { ...wanted, victim };
      let said = "";
      for (const stream of [victim.stdout, victim.stderr]) {
        stream?.setEncoding("utf8").on("data", (text: string) => {
          said += text;
        });
      }
      const [exit] = (await once(victim, "close")) as [number | null];
      kill = undefined;
      return { exit, said, asked };
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/**
 * Kills a deploy of an edition at a point, recovers, and looks at what visitors got all the while.
 *
 * @returns Whether it was killed.
 */
export async function killAndRecover(
  site: RoutedSite,
  { point, edition }: { readonly point: number; readonly edition: number },
): Promise<boolean> {
  const before = site.visible();
  site.seen.clear();
  const when = point % 2 === 0 ? "before" : "after";
  const { exit, said } = await site.run(edition, { at: Math.floor(point / 2) + 1, when });
  const where = `killed ${when} request ${Math.floor(point / 2) + 1}\n${said}`;
  expect([null, 0], where).toContain(exit);
  const recovered = await site.lockstep("recover");
  expect(recovered.exit, `${where}\n${recovered.err}`).toBe(0);
  const ends = [before, `edition ${edition}`];
  expect(ends, where).toContain(site.visible());
  for (const one of site.seen) expect(ends, where).toContain(one);
  const again = await site.lockstep("deploy", "-y");
  expect([again.exit, site.visible()], `${where}\n${again.err}`).toEqual([0, ends[1]]);
  return exit === null;
}

async function build(folder: string, edition: number): Promise<void> {
  const script = `assets/app.${edition.toString(16).padStart(7, "0")}f.js`;
  await mkdir(join(folder, "dist/assets"), { recursive: true });
  await writeFile(join(folder, "dist", script), `console.log(${edition})`);
  await writeFile(
    join(folder, "dist/index.html"),
    `<title>edition ${edition}</title><script src="/${script}"></script>`,
  );
  await writeFile(join(folder, `dist/page-${edition % 3}.html`), "<p>another path</p>");
}

/** Follows the route as the router does, and looks for what the page needs. */
function visibleIn(server: SandboxS3, { values }: SandboxKeyValues): string {
  const route = values.get("site");
  if (route === undefined) return "nothing";
  const { id, table, parts } = JSON.parse(route) as { id: string; table: string; parts: number };
  const objects = server.buckets.get("shop") ?? new Map<string, { readonly body: Uint8Array }>();
  const page = Buffer.from(objects.get(`r/${id}/index.html`)?.body ?? "").toString();
  const script = /src="\/([^"]+)"/.exec(page)?.[1] ?? "";
  if (!objects.has(`p/${script}`)) return `a page without ${script}`;
  for (let part = 0; part < parts; part += 1) {
    if (!values.has(`site.t.${table}.${part}`)) return `a table without part ${part}`;
  }
  return /<title>([^<]*)/.exec(page)?.[1] ?? "no page";
}

function configOf(server: SandboxS3, store: SandboxKeyValues): string {
  return `
import { defineConfig, localStore, secret } from "lockstep";
import { s3 } from "@lockstep/s3";

export default defineConfig({
  project: "shop",
  environments: {
    production: {
      store: localStore(),
      targets: {
        site: s3({
          bucket: "shop",
          source: "dist",
          endpoint: "${server.endpoint}",
          region: "${server.region}",
          credentials: { accessKeyId: "${server.credentials.accessKeyId}", secretAccessKey: secret("S3_SECRET") },
          cloudfront: { keyValueStore: "${store.arn}", endpoint: "${store.endpoint}" },
          limits: { inFlight: 1, backoffMs: 5 },
        }),
      },
    },
  },
});
`;
}
