import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { SandboxSsh } from "@lockstep/testkit";

const run = promisify(execFile);

/** A server at a port, direct or behind a line. */
export interface Way {
  readonly server: Pick<SandboxSsh, "user" | "identity">;
  readonly port: number;
}

function login({ server, port }: Way): string {
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
  const words = ["ssh", "-p", `${port}`, "-i", server.identity];
  return [...words, ...options.flatMap((one) => ["-o", one])].join(" ");
}

/** Copies a folder as people do who use rsync; changed files alone with `--link-dest`. */
export async function rsync(
  way: Way,
  [from, to]: readonly [string, string],
  more: readonly string[] = [],
): Promise<void> {
  const place = `${way.server.user}@127.0.0.1:${to}/`;
  await run("rsync", ["-a", ...more, "-e", login(way), `${from}/`, place]);
}

/** Digests, packs, sends, unpacks and compares. */
export async function tar(way: Way, [from, to]: readonly [string, string]): Promise<void> {
  const there = `mkdir -p ${to} && cd ${to} && tar -xf - && sha256sum -c --quiet sums`;
  const sums = `find . -type f -print0 | xargs -0 sha256sum >${to}.sums`;
  const pack = `tar -cf - . -C ${to}.lists sums`;
  const lists = `mkdir -p ${to}.lists && mv ${to}.sums ${to}.lists/sums`;
  const script = `cd ${from} && ${sums} && ${lists} && ${pack} | ${login(way)} ${way.server.user}@127.0.0.1 '${there}'`;
  await run("sh", ["-c", script], { maxBuffer: 1e8 });
}
