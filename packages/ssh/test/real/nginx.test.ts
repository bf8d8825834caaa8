import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Shop, startHost, type TestHost } from "../world.ts";

const ONE = "20261121T101500Z-00000001";
const TWO = "20261121T101501Z-00000002";
const SICK = "20261121T101502Z-00000003";

/** Requests that the client makes in all, at least. */
const REQUESTS = 10_000;

/** Answers with the name of its release, and finishes what it has begun before it ends. */
const SERVER = `
const { createServer } = require("node:http");
const { basename } = require("node:path");
const release = basename(process.cwd());
const server = createServer((_, response) => setTimeout(() => response.end(release), 2));
process.on("SIGTERM", () => server.close(() => process.exit()));
server.listen(Number(process.argv[2]), "127.0.0.1");
`;

/** Restarts one unit after the other, and goes on only once it answers. */
const RESTART = `
for port in "$@"; do
  if [ -f "../../$port.pid" ]; then
    read -r pid <"../../$port.pid"
    kill "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  fi
  cd "$(pwd -P)" && "$NODE" server.js "$port" </dev/null >/dev/null 2>&1 &
  echo $! >"../../$port.pid"
  "$NODE" -e '
    const end = Date.now() + 5000;
    const ask = () => fetch("http://127.0.0.1:" + process.argv[1]).then(() => process.exit(0),
      () => Date.now() > end ? process.exit(1) : setTimeout(ask, 50));
    ask();' "$port" || exit 1
done`;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { readonly port: number };
  probe.close();
  return port;
}

let host: TestHost;
let folder: string;
let nginx: ChildProcess;
let front: number;
let units: readonly [number, number];
beforeAll(async () => {
  host = await startHost("dash");
  folder = await mkdtemp(join(tmpdir(), "lockstep-nginx-"));
  await chmod(folder, 0o755);
  units = [await freePort(), await freePort()];
  front = await freePort();
  await writeFile(
    join(folder, "nginx.conf"),
    `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
     events { worker_connections 512; }
     http {
       access_log off;
       client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
       uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
       upstream shop { ${units.map((port) => `server 127.0.0.1:${port} max_fails=0;`).join(" ")} }
       server {
         listen 127.0.0.1:${front};
         location / { proxy_pass http://shop; proxy_next_upstream error timeout http_502 http_503; }
       }
     }`,
  );
  const words = ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")];
  nginx = spawn("nginx", words, { stdio: "ignore" });
});
afterAll(async () => {
  nginx.kill("SIGTERM");
  await once(nginx, "exit");
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Asks until it is told to stop; counts answers by status and release. */
async function client(stop: AbortSignal, seen: Map<string, number>): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  while (!stop.aborted) {
    const answer = await new Promise<string>((resolve) => {
      const call = get({ port: front, host: "127.0.0.1", agent }, (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.on("end", () =>
          resolve(response.statusCode === 200 ? body : `${response.statusCode}`),
        );
      });
      call.on("error", (cause) => resolve(cause.message));
    });
    seen.set(answer, (seen.get(answer) ?? 0) + 1);
  }
  agent.destroy();
}

describe("a service of two units behind nginx", { timeout: 180_000 }, () => {
  it(`answers ${REQUESTS} requests during a deploy, one that fails, and a way back`, async () => {
    await using shop = await Shop.open(host, {
      env: { NODE: process.execPath },
      restart: ["sh", "-c", RESTART, "sh", ...units.map(String)],
    });
    await shop.deploy(ONE, { "server.js": SERVER });
    const seen = new Map<string, number>();
    const stop = new AbortController();
    const total = (): number => [...seen.values()].reduce((sum, count) => sum + count, 0);
    const clients = Array.from({ length: 8 }, async () => client(stop.signal, seen));

    let rounds = 0;
    do {
      rounds += 1;
      await shop.build({ "server.js": `${SERVER}// two` });
      const [upload, activate] = await shop.planPair(TWO);
      const staged = await shop.apply(upload);
      const before = await shop.apply(activate);
      await shop.build({ "server.js": "process.exit(1)" });
      const [sickUpload, sickActivate] = await shop.planPair(SICK);
      const sickStaged = await shop.apply(sickUpload);
      await expect(shop.apply(sickActivate)).rejects.toMatchObject({ code: "SSH_COMMAND_FAILED" });
      expect(await shop.revert(sickActivate, { previous: `releases/${TWO}` })).toBe("restored");
      expect(await shop.revert(activate, before)).toBe("restored");
      expect(await shop.revert(sickUpload, sickStaged)).toBe("restored");
      expect(await shop.revert(upload, staged)).toBe("restored");
      // requests that nothing happens to prove nothing: what counts is over with the last way back
    } while (total() < REQUESTS);
    const during = total();
    stop.abort();
    await Promise.all(clients);

    // whatever else was answered would be a failure
    expect([...seen.keys()].toSorted()).toEqual([ONE, TWO]);
    expect(during, `in ${rounds} rounds`).toBeGreaterThanOrEqual(REQUESTS);
  });
});
