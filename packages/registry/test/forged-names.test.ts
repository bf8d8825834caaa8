import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLockstepError, secret } from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { getManifest } from "../src/client/manifests.ts";
import { openConnection } from "../src/connection.ts";
import { registrySchema } from "../src/options.ts";
import { makeCertificate } from "./certificate.ts";

const [HONEST, IMPOSTOR] = ["127.0.0.1", "127.0.0.2"];
const PASSWORD = "canary-password-7391";

let folder: string;
let port: number;
const servers: Server[] = [];
/** What the registry, and who pretends to be it, were sent. */
const heard = { honest: [] as string[], impostor: [] as string[] };

async function listen(name: string, host: string, answer: RequestListener): Promise<number> {
  const server = createServer(await makeCertificate(folder, ["tokens.test"], name), answer);
  servers.push(server);
  server.listen(port, host);
  await once(server, "listening");
  return (server.address() as { readonly port: number }).port;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-names-"));
  port = 0;
  port = await listen("honest", HONEST, ({ headers, url = "" }, response) => {
    heard.honest.push(`${headers.host} ${headers.authorization ?? "nobody"}`);
    if (url.startsWith("/token")) response.writeHead(200).end('{"token":"bought"}');
    else if (headers.authorization === "Bearer bought") response.writeHead(404).end();
    else {
      const realm = `Bearer realm="https://tokens.test:${port}/token",service="x"`;
      response.writeHead(401, { "www-authenticate": realm }).end();
    }
  });
  await listen("impostor", IMPOSTOR, ({ headers, url }, response) => {
    heard.impostor.push(`${url} ${JSON.stringify(headers)}`);
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
});
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  heard.honest.length = 0;
  heard.impostor.length = 0;
});

/** Asks for a tag, with names that somebody else answers for; returns how that ended. */
async function ask(answers: (name: string) => string): Promise<string> {
  const settings = registrySchema.parse({
    repository: `registry.test:${port}/acme/shop`,
    source: { directory: "dist", base: "scratch" },
    auth: { username: "deploy", password: secret("PASSWORD") },
    network: { ca: "honestca.pem", trustedRealms: [`tokens.test:${port}`] },
    limits: { retries: 0 },
  });
  const lookup: LookupFunction = (name, _options, done) => {
    done(null, [{ address: answers(name), family: 4 }]);
  };
  const ctx = testContext(undefined, { folder, env: { PASSWORD } });
  await using connection = await openConnection(settings, ctx, lookup);
  try {
    const raw = await getManifest(connection.asking(ctx), settings.repository, "latest");
    return raw === undefined ? "no such tag" : "found";
  } catch (error) {
    return isLockstepError(error) ? error.code : String(error);
  }
}

describe("a forged answer of a name server", () => {
  it.each([
    ["nothing", "", "no such tag"],
    ["the registry", "registry.test", "REGISTRY_UNREACHABLE"],
    ["a realm that is trusted", "tokens.test", "REGISTRY_UNREACHABLE"],
  ])("for %s gives no login to whoever answers there", async (_name, forged, outcome) => {
    expect(await ask((name) => (name === forged ? IMPOSTOR : HONEST))).toBe(outcome);

    const basic = Buffer.from(`deploy:${PASSWORD}`).toString("base64");
    const told = heard.honest.some((line) => line === `tokens.test:${port} Basic ${basic}`);
    expect(told).toBe(forged === "");
    expect(heard.impostor).toEqual([]);
  });

  it.each([
    ["a realm that is trusted", "tokens.test", "169.254.169.254"],
    ["a realm that is trusted", "tokens.test", "0.0.0.0"],
    ["the registry", "registry.test", "169.254.169.254"],
    ["the registry", "registry.test", "fd00:ec2::254"],
  ])("for %s (%s), to %s, is not even connected to", async (_name, forged, address) => {
    expect(await ask((name) => (name === forged ? address : HONEST))).toBe(
      "REGISTRY_ADDRESS_REFUSED",
    );
  });
});
