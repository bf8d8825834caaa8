import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./free-port.ts";
import { killGroup, notOutlivingUs } from "./processes.ts";
import { radosgwConfig } from "./radosgw-config.ts";
import type { S3Credentials } from "./s3-signature.ts";

/** How a real S3 server is started. */
export interface RadosgwOptions {
  /** Existing folder, absolute, for its files; each server needs its own. */
  readonly folder: string;
}

/** A real S3 server on loopback, without buckets. */
export interface Radosgw extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  /** What follows `BUCKET.` in the `Host` header of a request to a bucket's website. */
  readonly websiteHost: string;
}

const run = promisify(execFile);

/** Milliseconds until all parts must answer. */
const START_MS = 40_000;

/**
 * Starts a Ceph RADOS gateway that keeps everything in memory, in about two seconds.
 *
 * Needs the Debian packages `radosgw`, `ceph-mon` and `ceph-osd`, and no root.
 */
export async function startRadosgw({ folder }: RadosgwOptions): Promise<Radosgw> {
  const home = join(folder, "ceph");
  for (const name of ["mon", "osd"]) await mkdir(join(home, name), { recursive: true });
  const [cluster, monitorPort, port] = [randomUUID(), await freePort(), await freePort()];
  const config = join(home, "ceph.conf");
  await writeFile(config, radosgwConfig({ folder: home, cluster, monitorPort, port }));
  const started: Part[] = [];
  const stop = async (): Promise<void> => {
    for (const { process } of started.toReversed()) await killGroup(process);
  };
  const credentials = {
    accessKeyId: randomBytes(10).toString("hex"),
    secretAccessKey: randomBytes(20).toString("hex"),
  };
  try {
    await startParts({ home, config, cluster, monitorPort, port, started, credentials });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    credentials,
    websiteHost: "s3-website.localhost",
    [Symbol.asyncDispose]: stop,
  };
}

interface Start {
  readonly home: string;
  readonly config: string;
  readonly cluster: string;
  readonly monitorPort: number;
  readonly port: number;
  readonly credentials: S3Credentials;
  /** Grows with every part that runs. */
  readonly started: Part[];
}

async function startParts(start: Start): Promise<void> {
  const { home, config, cluster, monitorPort, port, credentials } = start;
  const map = join(home, "monmap");
  const address = `[v2:127.0.0.1:${monitorPort}]`;
  await run("monmaptool", [
    "--create",
    "--clobber",
    "--fsid",
    cluster,
    "--addv",
    "a",
    address,
    map,
  ]);
  await run("ceph-mon", ["-c", config, "-i", "a", "--mkfs", "--monmap", map]);
  const monitor = startPart(start, ["ceph-mon", "-i", "a"]);

  const ceph = ["-c", config, "--connect-timeout", "20"];
  const disk = randomUUID();
  const { stdout } = await run("ceph", [...ceph, "osd", "new", disk]);
  const id = stdout.trim();
  await run("ceph-osd", ["-c", config, "-i", id, "--mkfs", "--osd-uuid", disk]);
  const store = startPart(start, ["ceph-osd", "-i", id]);
  await until([monitor, store], async () => {
    const state = await run("ceph", [...ceph, "osd", "stat", "-f", "json"]);
    return state.stdout.includes('"num_up_osds":1');
  });

  const { accessKeyId, secretAccessKey } = credentials;
  const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
  const user = ["user", "create", "--uid=test", "--display-name=test"];
  await run("radosgw-admin", ["-c", config, ...user, ...keys]);
  const gateway = startPart(start, ["radosgw", "-n", "client.rgw"]);
  await until([monitor, store, gateway], async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    await answer.body?.cancel();
    return answer.ok;
  });
}

/** One process of the server. */
interface Part {
  readonly name: string;
  readonly process: ChildProcess;
  log(): string;
}

function startPart({ config, started }: Start, [name = "", ...words]: readonly string[]): Part {
  const [program, ...all] = notOutlivingUs([name, "-c", config, ...words, "-f"]);
  const child = spawn(program, all, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
  }
  child.on("error", (error) => {
    printed += String(error);
  });
  const part = { name, process: child, log: () => printed };
  started.push(part);
  return part;
}

async function until(parts: readonly Part[], isReady: () => Promise<boolean>): Promise<void> {
  let why: unknown;
  for (const begun = Date.now(); Date.now() - begun < START_MS; await sleep(50)) {
    const ended = parts.find((part) => part.process.exitCode !== null);
    if (ended !== undefined) throw new Error(`${ended.name} ended:\n${ended.log()}`);
    try {
      if (await isReady()) return;
    } catch (error) {
      why = error;
    }
  }
  throw new Error(`${parts.at(-1)?.name ?? ""} does not answer`, { cause: why });
}
