import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const SHOP = join(import.meta.dirname, "../shop");
const folder = realpathSync(mkdtempSync(join(tmpdir(), "lockstep-shop-")));
afterAll(() => rmSync(folder, { recursive: true }));

async function build(name: string, ...words: string[]): Promise<string> {
  const out = join(folder, name);
  const child = spawn(process.execPath, [join(SHOP, "build.mjs"), out, ...words], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  expect(code).toBe(0);
  return out;
}

interface Shop extends AsyncDisposable {
  readonly url: string;
  readonly said: string;
  /** Asks the service to end; the code it ends with. */
  stop(): Promise<number | null>;
}

/** Starts the service of a folder, as its host would. */
async function start(path: string, words: readonly string[] = ["--port", "0"]): Promise<Shop> {
  const child = spawn(process.execPath, [join(path, "server.mjs"), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const stop = async (): Promise<number | null> => {
    child.kill("SIGTERM");
    const [code] = await exited;
    return code;
  };
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const said = line.toString();
  const port = /port (\d+)/.exec(said)?.[1] ?? "";
  const dispose = async (): Promise<void> => void (await stop());
  return { url: `http://127.0.0.1:${port}`, said, stop, [Symbol.asyncDispose]: dispose };
}

function filesOf(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .toSorted();
}

async function json(url: string, init?: RequestInit): Promise<[number, unknown]> {
  const response = await fetch(url, init);
  return [response.status, await response.json()];
}

describe("a build of the shop", () => {
  it("has a service, its products and a site that stands on its own", async () => {
    const out = await build("whole", "--version", "1");

    const names = filesOf(out).map((path) => path.replace(/-[0-9a-f]{10}\./, "-HASH."));
    expect(names.filter((path) => !path.includes("/products/"))).toEqual([
      "products.json",
      "public/assets/basket-HASH.js",
      "public/assets/beeswax-candle-HASH.svg",
      "public/assets/enamel-mug-HASH.svg",
      "public/assets/icon-HASH.svg",
      "public/assets/linen-towel-HASH.svg",
      "public/assets/oak-tray-HASH.svg",
      "public/assets/pour-over-HASH.svg",
      "public/assets/style-HASH.css",
      "public/index.html",
      "server.mjs",
    ]);
    expect(names).toContain("public/products/oak-tray/index.html");
  });

  it("is the same for the same edition and another one for the next", async () => {
    const [first, again, next] = await Promise.all([
      build("first", "--version", "1"),
      build("again", "--version", "1"),
      build("next", "--version", "2"),
    ]);

    expect(filesOf(again)).toEqual(filesOf(first));
    expect(filesOf(next)).not.toEqual(filesOf(first));
    expect(filesOf(next).some((path) => path.includes("copper-kettle"))).toBe(true);
  });
});

describe("the service of the shop", () => {
  it("tells the release it was started from, also when the link moves on", async () => {
    const [one, two] = [
      await build("release-1", "--version", "1"),
      await build("release-2", "--version", "2"),
    ];
    const current = join(folder, "current");
    symlinkSync(one, current);
    await using shop = await start(current);
    rmSync(current);
    symlinkSync(two, current);

    expect(shop.said).toContain("shop release-1 listens");
    expect(await json(`${shop.url}/health`)).toEqual([
      200,
      { ok: true, release: "release-1", uptimeSeconds: expect.any(Number) as number },
    ]);
  });

  it("serves pages that find their pictures, styles and scripts", async () => {
    await using shop = await start(await build("pages", "--version", "2"));
    const front = await (await fetch(shop.url)).text();
    const product = await (await fetch(`${shop.url}/products/copper-kettle/`)).text();

    expect(front).toContain("New in edition 2: Copper kettle");
    const links = (page: string): string[] =>
      [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
    const urls = [
      ...links(front).map((link) => new URL(link, `${shop.url}/`)),
      ...links(product).map((link) => new URL(link, `${shop.url}/products/copper-kettle/`)),
    ];
    const statuses = await Promise.all(urls.map(async (url) => (await fetch(url)).status));
    expect(urls.length).toBeGreaterThan(15);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it("lets browsers keep what is named by its content and nothing else", async () => {
    await using shop = await start(await build("cache", "--version", "1"));
    const front = await fetch(shop.url);
    const style = /href="(assets\/style[^"]+)"/.exec(await front.text())?.[1] ?? "";
    const css = await fetch(`${shop.url}/${style}`);

    expect(front.headers.get("cache-control")).toBe("no-cache");
    expect(css.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(css.headers.get("content-type")).toBe("text/css; charset=utf-8");
  });

  it("keeps a basket per visitor", async () => {
    await using shop = await start(await build("basket", "--version", "1"));
    const url = `${shop.url}/api/cart`;
    const order = (id: string, quantity: number): RequestInit => ({
      method: "POST",
      body: JSON.stringify({ id, quantity }),
    });
    const first = await fetch(url, order("enamel-mug", 2));
    const cookie = first.headers.get("set-cookie")?.split(";")[0] ?? "";

    expect(first.status).toBe(201);
    expect(await json(url, { ...order("oak-tray", 1), headers: { cookie } })).toEqual([
      201,
      {
        items: [
          { id: "enamel-mug", name: "Enamel mug", quantity: 2, price: 1800 },
          { id: "oak-tray", name: "Oak tray", quantity: 1, price: 4600 },
        ],
        total: 8200,
      },
    ]);
    expect(await json(url)).toEqual([200, { items: [], total: 0 }]);
    expect((await json(url, order("gold-bar", 1)))[0]).toBe(400);
    expect((await json(url, order("oak-tray", -1)))[0]).toBe(400);
    expect((await json(url, { method: "POST", body: "{" }))[0]).toBe(400);
  });

  it.each([
    ["a file named broken", "broken", ""],
    ["a config that says so", "config.json", '{"healthy":false}'],
  ])("is unhealthy with %s, and still serves pages", async (_what, name, text) => {
    const out = await build(`unfit-${name}`, "--version", "1");
    writeFileSync(join(out, name), text);
    await using shop = await start(out);

    const [status, health] = await json(`${shop.url}/health`);
    expect(status).toBe(500);
    expect(health).toMatchObject({ ok: false });
    expect((await fetch(shop.url)).status).toBe(200);
  });

  it("is unhealthy when it was built that way", async () => {
    await using shop = await start(await build("unfit", "--version", "1", "--broken"));

    expect((await fetch(`${shop.url}/health`)).status).toBe(500);
  });

  it.each(["/../server.mjs", "/%2e%2e/products.json", "/..%2fserver.mjs", "/nothing", "//"])(
    "serves nothing at %s",
    async (path) => {
      await using shop = await start(await build("outside", "--version", "1"));

      // fetch would resolve the path before it is sent
      const { port } = new URL(shop.url);
      const request = httpRequest({ host: "127.0.0.1", port, path }).end();
      const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
      response.resume();
      expect(response.statusCode).toBe(404);
    },
  );

  it("can listen on a socket, and ends cleanly when told to", async () => {
    const socketPath = join(folder, "shop.sock");
    const shop = await start(await build("socket", "--version", "1"), ["--socket", socketPath]);
    const request = httpRequest({ socketPath, path: "/api/products" }).end();
    const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
    response.resume();

    expect(response.statusCode).toBe(200);
    expect(await shop.stop()).toBe(0);
  });
});
