import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { secret } from "@lockstep/plugin";
import { testContext } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pushBlob } from "../src/client/blobs.ts";
import { openConnection } from "../src/connection.ts";
import { digestOf } from "../src/digest.ts";
import { registrySchema } from "../src/options.ts";

const toLoopback: LookupFunction = (_name, _options, done) => {
  done(null, [{ address: "127.0.0.1", family: 4 }]);
};

describe("an upload over TLS", () => {
  let folder: string;
  let port: number;
  let server: ReturnType<typeof createServer>;
  const seen: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-upload-"));
    const words =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=registry.test -addext subjectAltName=DNS:registry.test,DNS:storage.test";
    await promisify(execFile)("openssl", [
      ...words.split(" "),
      "-keyout",
      `${folder}/key.pem`,
      "-out",
      `${folder}/ca.pem`,
    ]);
    const pem = await Promise.all(["key", "ca"].map((name) => readFile(`${folder}/${name}.pem`)));
    server = createServer({ key: pem[0], cert: pem[1] }, (message, response) => {
      const { host = "", authorization } = message.headers;
      seen.push(
        `${message.method} ${host.split(":")[0]} ${message.url} ${authorization === undefined ? "nobody" : "somebody"}`,
      );
      message.resume();
      message.once("end", () => {
        if (authorization === undefined && host.startsWith("registry")) {
          response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
        } else if (message.method === "POST") {
          response
            .writeHead(202, { location: `https://storage.test:${port}/up?X-Sig=a%2Fb%20c&x=` })
            .end();
        } else response.writeHead(201).end();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as { port: number });
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("goes where the registry says, with its query as it was, and without the login", async () => {
    const settings = registrySchema.parse({
      repository: `registry.test:${port}/acme/shop`,
      source: { directory: "dist", base: "scratch" },
      auth: { username: "deploy", password: secret("PASSWORD") },
      network: { ca: "ca.pem" },
    });
    const ctx = testContext(undefined, { folder, env: { PASSWORD: "canary-password" } });
    await using connection = await openConnection(settings, ctx, toLoopback);
    const bytes = Buffer.from("content");
    const blob = {
      digest: digestOf(bytes),
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    };

    const how = await pushBlob(connection.asking(ctx), blob, { repository: settings.repository });

    expect(how).toBe("uploaded");
    expect(seen).toEqual([
      "POST registry.test /v2/acme/shop/blobs/uploads/ nobody",
      "POST registry.test /v2/acme/shop/blobs/uploads/ somebody",
      `PUT storage.test /up?X-Sig=a%2Fb%20c&x=&digest=${encodeURIComponent(blob.digest)} nobody`,
    ]);
  });
});
