import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { networkPolicy } from "../src/net/policy.ts";
import { proxiesOf } from "../src/net/proxy.ts";
import { readBody } from "../src/net/read.ts";
import { createTransport, type Transport } from "../src/net/transport.ts";
import { makeCertificate } from "./certificate.ts";

describe("which requests go through a proxy", () => {
  const through = (env: Record<string, string>, url: string): string | undefined =>
    proxiesOf(env)(new URL(url))?.href;

  it.each([
    [{}, "https://ghcr.io/", undefined],
    [{ HTTPS_PROXY: "http://proxy:3128" }, "https://ghcr.io/", "http://proxy:3128/"],
    [{ HTTPS_PROXY: "proxy:3128" }, "https://ghcr.io/", "http://proxy:3128/"],
    [
      { HTTPS_PROXY: "http://upper:1", https_proxy: "http://lower:1" },
      "https://ghcr.io/",
      "http://lower:1/",
    ],
    [
      { HTTPS_PROXY: "http://proxy:1", NO_PROXY: "example.com, ghcr.io" },
      "https://ghcr.io/",
      undefined,
    ],
    [
      { HTTPS_PROXY: "http://proxy:1", NO_PROXY: ".example.com" },
      "https://a.example.com/",
      undefined,
    ],
    [
      { HTTPS_PROXY: "http://proxy:1", NO_PROXY: "example.com" },
      "https://notexample.com/",
      "http://proxy:1/",
    ],
    [{ HTTPS_PROXY: "http://proxy:1", NO_PROXY: "host:5000" }, "https://host:5000/", undefined],
    [{ HTTPS_PROXY: "http://proxy:1", NO_PROXY: "*" }, "https://ghcr.io/", undefined],
  ])("%j: %s", (env, url, proxy) => {
    expect(through(env, url)).toBe(proxy);
  });
});

describe("a request", () => {
  let folder: string;
  let certificate: string;
  let port: number;
  const asked: string[] = [];
  const server = { close: (): void => {} };
  const proxy = createServer();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-proxy-"));
    const { key, cert } = await makeCertificate(folder);
    certificate = cert;
    const secure = createTlsServer(
      { key, cert: certificate, ca: certificate, requestCert: true, rejectUnauthorized: false },
      (message, response) => {
        const client =
          (message.socket as { authorized?: boolean }).authorized === true ? "known" : "unknown";
        response.end(`${message.method} ${message.url} from somebody ${client}`);
      },
    );
    secure.listen(0, "127.0.0.1");
    await once(secure, "listening");
    ({ port } = secure.address() as { port: number });
    server.close = () => {
      secure.closeAllConnections();
      secure.close();
    };
    proxy.on("connect", (message, socket) => {
      asked.push(`${message.url} ${message.headers["proxy-authorization"] ?? "nobody"}`);
      if (message.headers["proxy-authorization"] === undefined) {
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return;
      }
      const upstream = connect(port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
  });
  afterAll(async () => {
    server.close();
    proxy.closeAllConnections();
    proxy.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function transport(login: string, key?: string): Promise<Transport> {
    const { port: at } = proxy.address() as { readonly port: number };
    return createTransport({
      policy: networkPolicy(new Set(["registry.test:5000"]), { plainHttp: false }),
      ca: certificate,
      ...(key === undefined ? {} : { cert: certificate, key }),
      proxies: proxiesOf({ HTTPS_PROXY: `http://${login}127.0.0.1:${at}` }),
      idleMs: 2000,
    });
  }

  const exchange = {
    method: "GET",
    url: new URL("https://registry.test:5000/v2/"),
    signal: new AbortController().signal,
  } as const;

  it("goes through a tunnel, with the proxy's own login, and the certificate is still checked", async () => {
    await using through = await transport("user:pass%20word@");

    const answer = await through.send(exchange);

    expect((await readBody(answer, 1000)).toString()).toBe("GET /v2/ from somebody unknown");
    expect(asked.at(-1)).toBe(
      `registry.test:5000 Basic ${Buffer.from("user:pass word").toString("base64")}`,
    );
  });

  it("shows the certificate of this client where the config has one", async () => {
    await using through = await transport("user:pw@", await readFile(`${folder}/key.pem`, "utf8"));

    const answer = await through.send(exchange);

    expect((await readBody(answer, 1000)).toString()).toBe("GET /v2/ from somebody known");
  });

  it("fails clearly where the proxy refuses", async () => {
    await using through = await transport("");

    await expect(through.send(exchange)).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining("the proxy answered 407") as string,
    });
  });
});
