import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { isLockstepError, secret } from "@lockstep/plugin";
import { type SandboxRegistry, startSandboxRegistry, testContext } from "@lockstep/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RegistryOptions } from "../src/index.ts";
import { reachOf } from "../src/net/address.ts";
import { networkPolicy } from "../src/net/policy.ts";
import { createTransport } from "../src/net/transport.ts";
import { makeCertificate } from "./certificate.ts";
import { filesOf, ONE, Shop } from "./world.ts";

const PASSWORD = "canary-password-7391";
const AUTH = { username: "deploy", password: PASSWORD };
const BASIC = Buffer.from(`deploy:${PASSWORD}`).toString("base64");

const toLoopback: LookupFunction = (_name, _options, done) => {
  done(null, [{ address: "127.0.0.1", family: 4 }]);
};

/** A server of somebody else: it notes everything it is sent. */
interface Attacker extends AsyncDisposable {
  readonly origin: string;
  readonly heard: string[];
}

async function startAttacker(): Promise<Attacker> {
  const heard: string[] = [];
  const note = async (message: IncomingMessage): Promise<void> => {
    let body = "";
    for await (const chunk of message) body += String(chunk);
    heard.push(`${message.method} ${message.url} ${JSON.stringify(message.rawHeaders)} ${body}`);
  };
  const server: Server = createServer((message, response) => {
    void note(message).then(() => response.writeHead(200).end('{"token":"from-the-attacker"}'));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  return {
    origin: `http://127.0.0.1:${port}`,
    heard,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function failureOf(call: Promise<unknown>): Promise<{ code: string; text: string }> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const code = isLockstepError(error) ? error.code : String(error);
  const cause = error instanceof Error ? inspect(error.cause) : "";
  return { code, text: `${String(error)} ${cause}` };
}

describe("a hostile registry", () => {
  let attacker: Attacker;
  let server: SandboxRegistry | undefined;
  let shop: Shop | undefined;

  beforeEach(async () => {
    attacker = await startAttacker();
  });
  afterEach(async () => {
    await shop?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await attacker[Symbol.asyncDispose]();
  });

  async function begin(realm?: string, options: Partial<RegistryOptions> = {}): Promise<Shop> {
    server = await startSandboxRegistry({
      auth: { kind: "bearer", ...AUTH, ...(realm === undefined ? {} : { realm }) },
    });
    shop = await Shop.open(
      {
        repository: `${server.host}/acme/shop`,
        auth: { username: "deploy", password: secret("PASSWORD") },
        ...options,
      },
      { env: { PASSWORD } },
    );
    await shop.build(filesOf("one"));
    return shop;
  }

  /** Nobody but the registry may learn what we know. */
  function expectNothingHeard(): void {
    const all = attacker.heard.join("\n");
    expect(all).not.toContain(PASSWORD);
    expect(all).not.toContain(BASIC);
    expect(all.toLowerCase()).not.toContain("authorization");
    expect(all).not.toContain("token-");
  }

  it("that names a realm of another host gets no password there", async () => {
    const victim = await begin(`${attacker.origin}/token`);

    const { code, text } = await failureOf(victim.plan(ONE));

    expect(code).toBe("REGISTRY_REALM");
    expect(text).not.toContain(PASSWORD);
    expectNothingHeard();
    expect(attacker.heard).toEqual([]);
  });

  it.each([
    ["a name that only looks alike", (origin: string) => origin.replace("127.0.0.1", "127.0.0.1.")],
    ["a user in front", (origin: string) => origin.replace("http://", "http://registry@")],
    ["another port", (origin: string) => origin],
    ["another scheme", (origin: string) => origin.replace("http:", "https:")],
    ["no scheme of the web", () => "file:///etc/passwd"],
  ])("is not believed when the realm has %s", async (_name, change) => {
    const victim = await begin(`${change(attacker.origin)}/token`);

    const { code } = await failureOf(victim.plan(ONE));

    expect(["REGISTRY_REALM", "REGISTRY_INSECURE"]).toContain(code);
    expectNothingHeard();
  });

  it.each(["location", "redirect of a read", "redirect of an upload", "redirect of the token"])(
    "that leads elsewhere by the %s is not followed over plain HTTP, and no login goes along",
    async (kind) => {
      const victim = await begin();
      const registry = server;
      if (registry === undefined) throw new Error("no server");
      registry.fault = ({ method, path }, { response }) => {
        const to = `${attacker.origin}${path}?signed=1`;
        const isUpload = path.includes("/uploads/");
        if (kind === "location" && method === "POST" && isUpload) {
          response.writeHead(202, { location: to }).end();
          return true;
        }
        const isMeant =
          (kind === "redirect of a read" && method === "GET" && path.includes("/manifests/")) ||
          (kind === "redirect of an upload" && method === "PUT" && isUpload) ||
          (kind === "redirect of the token" && path === "/token");
        if (!isMeant) return false;
        response.writeHead(307, { location: to }).end();
        return true;
      };

      const { code } = await failureOf(victim.deploy(ONE));

      expect(["REGISTRY_INSECURE", "REGISTRY_REDIRECT"]).toContain(code);
      expectNothingHeard();
      expect(attacker.heard).toEqual([]);
    },
  );

  it("is not asked over plain HTTP unless the config says so", async () => {
    const victim = await begin(undefined, { network: { plainHttp: false } });

    const { code } = await failureOf(victim.plan(ONE));

    expect(code).toBe("REGISTRY_UNREACHABLE");
    expect(server?.requests).toEqual([]);
  });

  it("that redirects in circles is left after five hops", async () => {
    const victim = await begin();
    let hops = 0;
    if (server !== undefined) {
      server.fault = ({ path }, { response }) => {
        hops += 1;
        response.writeHead(302, { location: `${path}?${hops}` }).end();
        return true;
      };
    }

    expect(await failureOf(victim.plan(ONE))).toMatchObject({ code: "REGISTRY_REDIRECT" });
    expect(hops).toBe(6);
  });

  it("that answers a token with 200 KiB is not read to the end", async () => {
    const victim = await begin();
    if (server !== undefined) {
      server.fault = ({ path }, { response }) => {
        if (path !== "/token") return false;
        response.writeHead(200).end(`{"token":"${"x".repeat(200 * 1024)}"}`);
        return true;
      };
    }

    expect(await failureOf(victim.plan(ONE))).toMatchObject({ code: "REGISTRY_LOGIN" });
  });

  it("that is trusted by name gets the password at its other host", async () => {
    server = await startSandboxRegistry({
      auth: { kind: "bearer", ...AUTH, realm: `${attacker.origin}/token` },
    });
    server.tokens.add("from-the-attacker");
    shop = await Shop.open(
      {
        repository: `${server.host}/acme/shop`,
        auth: { username: "deploy", password: secret("PASSWORD") },
        network: { plainHttp: true, trustedRealms: [attacker.origin] },
      },
      { env: { PASSWORD } },
    );
    await shop.deploy(ONE, filesOf("one"));

    expect(attacker.heard.join()).toContain(BASIC);
    expect(shop.masked).toContain("from-the-attacker");
  });

  it("never sees a login in a plan, a line or an error", async () => {
    const victim = await begin();
    const plan = await victim.deploy(ONE);

    const all = JSON.stringify([plan, victim.lines, await victim.live()]);
    expect(all).not.toContain(PASSWORD);
    expect(all).not.toContain(BASIC);
    expect(victim.masked).toEqual(expect.arrayContaining([PASSWORD, BASIC]));
    expect(victim.masked.some((value) => value.startsWith("token-"))).toBe(true);
  });
});

describe("addresses", () => {
  it.each([
    ["169.254.169.254", "refused"],
    ["::ffff:169.254.169.254", "refused"],
    ["::ffff:a9fe:a9fe", "refused"],
    ["64:ff9b::a9fe:a9fe", "refused"],
    ["fe80::1%eth0", "refused"],
    ["0.0.0.0", "refused"],
    ["::", "refused"],
    ["255.255.255.255", "refused"],
    ["fd00:ec2::254", "refused"],
    ["100.100.100.200", "refused"],
    ["not an address", "refused"],
    ["127.1.2.3", "loopback"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["10.0.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "private"],
    ["fd12::1", "private"],
    ["172.32.0.1", "public"],
    ["140.82.112.3", "public"],
    ["2606:50c0:8000::154", "public"],
  ])("%s is %s", (address, reach) => {
    expect(reachOf(address)).toBe(reach);
  });

  it.each([
    "http://169.254.169.254/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://[::ffff:7f00:1]/",
  ])("%s is refused where a registry leads to it", (url) => {
    const policy = networkPolicy(new Set(["registry.example.com"]), { plainHttp: false });
    expect(() => policy.checkUrl(new URL(url))).toThrow(/is not HTTPS|leads to the address/);
  });

  it("of a private registry may lead to private ones, never to link-local ones", () => {
    const policy = networkPolicy(new Set(["registry.local"]), { plainHttp: false });
    const [registry, storage] = [
      new URL("https://registry.local/"),
      new URL("https://storage.local/"),
    ];

    expect(() => policy.checkAddress(storage, "10.0.0.9")).toThrow("leads to the address 10.0.0.9");
    policy.checkAddress(registry, "10.0.0.1");
    policy.checkAddress(storage, "10.0.0.9");
    expect(() => policy.checkAddress(storage, "127.0.0.1")).toThrow(
      "leads to the address 127.0.0.1",
    );
    expect(() => policy.checkAddress(storage, "169.254.169.254")).toThrow("leads to the address");
  });

  it("are looked at when a name is resolved for the connection, whatever it resolved to before", async () => {
    let answers = 0;
    const lookup = ((_name, _options, done) => {
      answers += 1;
      done(null, [{ address: "169.254.169.254", family: 4 }]);
    }) as LookupFunction;
    await using transport = createTransport({
      policy: networkPolicy(new Set(["registry.example.com"]), { plainHttp: false }),
      proxies: () => undefined,
      idleMs: 1000,
      lookup,
    });

    const call = transport.send({
      method: "GET",
      url: new URL("https://tokens.example.com/token"),
      signal: new AbortController().signal,
    });

    await expect(call).rejects.toMatchObject({ code: "REGISTRY_ADDRESS_REFUSED" });
    expect(answers).toBe(1);
  });
});

describe("over TLS", () => {
  let folder: string;
  let port: number;
  let server: ReturnType<typeof createTlsServer>;
  const seen: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-tls-"));
    server = createTlsServer(
      await makeCertificate(folder, ["storage.test"]),
      (message, response) => {
        seen.push(`${message.headers.host} ${message.headers.authorization ?? "nobody"}`);
        const isElsewhere = message.headers.host?.startsWith("storage.test") === true;
        if (isElsewhere) response.writeHead(200).end("content");
        else if (message.url === "/down")
          response.writeHead(302, { location: "http://storage.test/" }).end();
        else response.writeHead(307, { location: `https://storage.test:${port}/blob` }).end();
      },
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as { port: number });
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("a redirect to another host is followed without the login, and one to plain HTTP is not", async () => {
    const { follow } = await import("../src/net/follow.ts");
    await using transport = createTransport({
      policy: networkPolicy(new Set([`registry.test:${port}`]), { plainHttp: false }),
      ca: await readFile(`${folder}/ca.pem`, "utf8"),
      proxies: () => undefined,
      idleMs: 2000,
      lookup: toLoopback,
    });
    const { signal } = testContext(undefined);
    const headers = { authorization: `Basic ${BASIC}` };

    const answer = await follow(transport, {
      method: "GET",
      url: new URL(`https://registry.test:${port}/blob`),
      headers,
      signal,
    });
    answer.body.resume();

    expect(answer.status).toBe(200);
    expect(seen).toEqual([`registry.test:${port} Basic ${BASIC}`, `storage.test:${port} nobody`]);
    await expect(
      follow(transport, {
        method: "GET",
        url: new URL(`https://registry.test:${port}/down`),
        headers,
        signal,
      }),
    ).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
  });

  it("a certificate that nobody vouches for ends the connection", async () => {
    await using transport = createTransport({
      policy: networkPolicy(new Set([`registry.test:${port}`]), { plainHttp: false }),
      proxies: () => undefined,
      idleMs: 2000,
      lookup: toLoopback,
    });
    const call = transport.send({
      method: "GET",
      url: new URL(`https://registry.test:${port}/`),
      signal: new AbortController().signal,
    });

    await expect(call).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });
});
