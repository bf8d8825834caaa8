// Restarts the shop of the host it runs on: `service.mjs HOST PORT`, started in `current` of a target.
import { spawn } from "node:child_process";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { basename, dirname, join } from "node:path";

const [host, port, serve] = process.argv.slice(2);
const release = realpathSync(".");
const shared = dirname(dirname(release));

if (serve === "serve") {
  const broken = readOptional(join(release, "broken-on")).split(/\s+/).includes(host);
  const server = createServer((request, response) => {
    response.statusCode = broken && request.url === "/health" ? 500 : 200;
    response.end(JSON.stringify({ host, release: basename(release), pid: process.pid }));
  });
  const listen = () => server.listen(Number(port), "127.0.0.1");
  server.on("error", () => setTimeout(listen, 10)); // the port is free once the old process is gone
  listen();
} else {
  const old = Number(readOptional(join(shared, "service.pid")));
  if (old > 0) end(old);
  const child = spawn(process.execPath, [process.argv[1], host, port, "serve"], {
    cwd: release,
    detached: true,
    stdio: "ignore",
    env: process.env,
  });
  child.unref();
  writeFileSync(join(shared, "service.pid"), String(child.pid));
  for (let tries = 0; tries < 200 && (await releaseOf()) !== basename(release); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function readOptional(path) {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function end(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it had ended
  }
}

function releaseOf() {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path: "/" }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve(JSON.parse(text).release));
    });
    request.on("error", () => resolve(undefined));
  });
}
