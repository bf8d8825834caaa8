import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLockstepError, secret } from "@lockstep/plugin";
import { startSandboxRegistry, testContext } from "@lockstep/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { pushBlob } from "../src/client/blobs.ts";
import { openConnection } from "../src/connection.ts";
import { digestOf } from "../src/digest.ts";
import { networkPolicy } from "../src/net/policy.ts";
import { createTransport } from "../src/net/transport.ts";
import { registrySchema } from "../src/options.ts";
import { makeCertificate } from "./certificate.ts";
import { ONE, Shop } from "./world.ts";

const toLoopback: LookupFunction = (_name, _options, done) => {
  done(null, [{ address: "127.0.0.1", family: 4 }]);
};

describe("a large upload", () => {
  it.each([
    [401, "arrived"],
    [500, "arrived"],
    [403, "REGISTRY_FORBIDDEN"],
    [413, "REGISTRY_ANSWER"],
  ])(
    "that is answered %i before its body has cost no byte of it, and ends so: %s",
    async (status, ends) => {
      await using server = await startSandboxRegistry({
        auth: { kind: "bearer", username: "deploy", password: "canary" },
      });
      await using shop = await Shop.open(
        {
          repository: `${server.host}/acme/shop`,
          auth: { username: "deploy", password: secret("PASSWORD") },
        },
        { env: { PASSWORD: "canary" } },
      );
      const costs: number[] = [];
      const questions: (string | undefined)[] = [];
      server.fault = ({ method, path, headers }, { message, response }) => {
        const isLarge = Number(headers["content-length"]) > 1024 * 1024;
        if (method !== "PUT" || !path.includes("/uploads/") || !isLarge) return false;
        if (costs.length > 0) return false;
        const { socket } = message;
        const before = socket.bytesRead;
        questions.push(headers.expect);
        const challenge = `Bearer realm="http://${server.host}/token",service="sandbox"`;
        response.writeHead(status, { "www-authenticate": challenge, "content-length": 0 }).end();
        costs.push(0);
        socket.once("close", () => costs.push(socket.bytesRead - before));
        return true;
      };

      const outcome = await shop.deploy(ONE, { "big.bin": randomBytes(3 << 20) }).then(
        () => "arrived",
        (error: unknown) => (isLockstepError(error) ? error.code : String(error)),
      );

      expect(outcome).toBe(ends);
      expect(Object.keys(server.store.tags("acme/shop")).includes("latest")).toBe(
        ends === "arrived",
      );
      await expect.poll(() => costs).toHaveLength(2);
      expect(costs[1]).toBeLessThan(1024);
      expect(questions).toEqual(["100-continue"]);
    },
  );

  it.each([
    ["is gone on with where it ended, as often as needed", { resumes: true }, true, 1],
    ["begins anew at a registry that forgets it", {}, true, 2],
    ["begins anew unless it is known that the registry goes on", { resumes: true }, false, 2],
  ])("that is cut %s", async (_, quirks, resumeUploads, sessions) => {
    await using server = await startSandboxRegistry({ quirks });
    await using shop = await Shop.open({ repository: `${server.host}/acme/shop`, resumeUploads });
    let cuts = 0;
    server.fault = ({ method, headers }, { message: { socket } }) => {
      if (!["PUT", "PATCH"].includes(method) || !(Number(headers["content-length"]) > 1 << 20))
        return false;
      const begun = socket.bytesRead;
      if (cuts === (sessions === 1 ? 2 : 1)) return false;
      cuts += 1;
      const watch = (): void => {
        if (socket.bytesRead - begun > 1 << 20) socket.destroy();
        else if (!socket.destroyed) setImmediate(watch);
      };
      watch();
      return false;
    };

    await shop.deploy(ONE, { "big.bin": randomBytes(6 << 20) });

    const opened = server.requests.filter(
      ({ method, path }) => method === "POST" && path.endsWith("/uploads/"),
    );
    // one more for the config
    expect(opened).toHaveLength(sessions + 1);
    expect(Object.keys(server.store.tags("acme/shop"))).toContain("latest");
    expect(cuts).toBe(sessions === 1 ? 2 : 1);
    const patches = server.requests.filter(({ method }) => method === "PATCH");
    expect(patches).toHaveLength(sessions === 1 ? 2 : 0);
  });

  it("to a registry that does not know the question is sent after a moment", async () => {
    let body = 0;
    const server = createPlainServer().on("checkContinue", (message, response) => {
      message.on("data", (piece: Buffer) => (body += piece.length));
      message.on("end", () => response.writeHead(201).end());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    try {
      const host = `127.0.0.1:${port}`;
      await using transport = createTransport({
        policy: networkPolicy(new Set([host]), { plainHttp: true }),
        proxies: () => undefined,
        idleMs: 5000,
      });
      const bytes = Buffer.alloc(2 << 20);
      const answer = await transport.send({
        method: "PUT",
        url: new URL(`http://${host}/`),
        body: {
          size: bytes.length,
          async *open() {
            yield bytes;
          },
        },
        signal: new AbortController().signal,
      });
      answer.body.resume();

      expect([answer.status, body]).toEqual([201, bytes.length]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe("an upload over TLS", () => {
  let folder: string;
  let port: number;
  let server: ReturnType<typeof createServer>;
  const seen: string[] = [];
  /** Bytes of bodies by host. */
  const got: Record<string, number> = {};
  /** Whether the registry takes the body at first, and then sends it elsewhere. */
  let redirects = false;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-upload-"));
    server = createServer(await makeCertificate(folder, ["storage.test"]), (message, response) => {
      const { host = "", authorization } = message.headers;
      seen.push(
        `${message.method} ${host.split(":")[0]} ${message.url} ${authorization === undefined ? "nobody" : "somebody"}`,
      );
      message.on("data", (piece: Buffer) => {
        got[host] = (got[host] ?? 0) + piece.length;
      });
      if (redirects && message.method === "PUT" && host.startsWith("registry")) {
        response.writeHead(307, { location: `https://storage.test:${port}/up?X-Sig=1` }).end();
        return;
      }
      if (message.headers.expect !== undefined) response.writeContinue();
      message.once("end", () => {
        if (authorization === undefined && host.startsWith("registry")) {
          response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
        } else if (message.method === "POST") {
          const location = redirects ? "/up" : `https://storage.test:${port}/up?X-Sig=a%2Fb%20c&x=`;
          response.writeHead(202, { location }).end();
        } else response.writeHead(201).end();
      });
    });
    server.on("checkContinue", (message, response) => server.emit("request", message, response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as { port: number });
  });
  beforeEach(() => {
    seen.length = 0;
    for (const host of Object.keys(got)) delete got[host];
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Pushes a blob as a run would. */
  async function push(bytes: Buffer): Promise<{ readonly how: string; readonly digest: string }> {
    const settings = registrySchema.parse({
      repository: `registry.test:${port}/acme/shop`,
      source: { directory: "dist", base: "scratch" },
      auth: { username: "deploy", password: secret("PASSWORD") },
      network: { ca: "ca.pem" },
    });
    const ctx = testContext(undefined, { folder, env: { PASSWORD: "canary-password" } });
    await using connection = await openConnection(settings, ctx, toLoopback);
    const blob = {
      digest: digestOf(bytes),
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    };
    const { repository } = settings;
    return {
      how: await pushBlob(connection.asking(ctx), blob, { repository }),
      digest: encodeURIComponent(blob.digest),
    };
  }

  it("goes where the registry says, with its query as it was, and without the login", async () => {
    redirects = false;

    const { how, digest } = await push(Buffer.from("content"));

    expect(how).toBe("uploaded");
    expect(seen).toEqual([
      "POST registry.test /v2/acme/shop/blobs/uploads/ nobody",
      "POST registry.test /v2/acme/shop/blobs/uploads/ somebody",
      `PUT storage.test /up?X-Sig=a%2Fb%20c&x=&digest=${digest} nobody`,
    ]);
  });

  it("that is redirected takes its whole body along, and no login; the registry gets not a byte of it", async () => {
    redirects = true;

    const { how, digest } = await push(Buffer.alloc(1 << 20, "x"));

    expect(how).toBe("uploaded");
    expect(seen.slice(-2)).toEqual([
      `PUT registry.test /up?digest=${digest} somebody`,
      "PUT storage.test /up?X-Sig=1 nobody",
    ]);
    expect(got).toEqual({ [`storage.test:${port}`]: 1 << 20 });
  });
});
