import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { killGroup, notOutlivingUs } from "./processes.ts";
import { startTokenServer, type TokenServer } from "./registry-tokens.ts";

/** How a real registry is started. */
export interface DistributionOptions {
  /** Existing or new folder, absolute, for its files; each registry needs its own. */
  readonly folder: string;
  /** Who may log in; default: everybody may do everything. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Whether manifests can be deleted; default true. */
  readonly deletes?: boolean;
}

/** A real registry on loopback. */
export interface Distribution extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly port: number;
  /** Gives the tokens, where there is a login. */
  readonly tokens: TokenServer | undefined;
  /** Process id of the registry. */
  readonly pid: number;
  /** What it has printed, with one line for each request. */
  log(): string;
}

/** Milliseconds until a registry must answer. */
const START_MS = 20_000;

/**
 * Starts CNCF distribution on a free loopback port, over plain HTTP. Needs `docker-registry`, and
 * `openssl` for a login.
 *
 * @see CNCF distribution 2.8, "Configuring a registry"
 */
export async function startDistribution(options: DistributionOptions): Promise<Distribution> {
  const { folder, login, deletes = true } = options;
  await mkdir(join(folder, "data"), { recursive: true });
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const tokens = login === undefined ? undefined : await startTokenServer({ folder, ...login });
  const config = join(folder, "config.yml");
  const lines = [
    "version: 0.1",
    `storage: {filesystem: {rootdirectory: ${join(folder, "data")}}, delete: {enabled: ${deletes}}}`,
    `http: {addr: "${host}"}`,
    ...(tokens === undefined
      ? []
      : [
          "auth:",
          "  token:",
          `    realm: ${tokens.realm}`,
          `    service: ${tokens.service}`,
          `    issuer: ${tokens.issuer}`,
          `    rootcertbundle: ${tokens.certificate}`,
        ]),
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  let printed = "";
  const [program, ...words] = notOutlivingUs(["docker-registry", "serve", config]);
  const daemon = spawn(program, words, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
  }
  await answering(daemon, `http://${host}/v2/`, () => printed);
  return {
    host,
    port,
    tokens,
    pid: daemon.pid ?? 0,
    log: () => printed,
    async [Symbol.asyncDispose]() {
      await killGroup(daemon);
      await tokens?.[Symbol.asyncDispose]();
    },
  };
}

async function answering(daemon: ChildProcess, url: string, log: () => string): Promise<void> {
  let failure: unknown;
  daemon.on("error", (error) => {
    failure = error;
  });
  for (const start = Date.now(); Date.now() - start < START_MS; await sleep(50)) {
    if (failure !== undefined || daemon.exitCode !== null) break;
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) return;
  }
  await killGroup(daemon);
  throw new Error(`docker-registry does not answer:\n${log()}`, { cause: failure });
}
