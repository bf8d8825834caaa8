// The shop's service: pages, products, a basket, and a health page that tells which release it is.
// node server.mjs [--port N | --socket PATH], or PORT in the environment; 8080 otherwise.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { parseArgs } from "node:util";

// The folder itself, not the link that led here: after a switch an old process still tells the truth.
const FOLDER = realpathSync(import.meta.dirname);
const PUBLIC = join(FOLDER, "public");
const PRODUCTS = JSON.parse(readFileSync(join(FOLDER, "products.json"), "utf8"));
const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
const LONGEST_BODY = 4096; // bytes
const MOST_CARTS = 1000;

const carts = new Map();
const { values } = parseArgs({ options: { port: { type: "string" }, socket: { type: "string" } } });
const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    if (!response.headersSent) sendJson(response, 500, { error: "internal" });
    else response.destroy();
  });
});

server.listen(values.socket ?? Number(values.port ?? process.env.PORT ?? 8080), () => {
  const address = server.address();
  const where = typeof address === "string" ? address : `port ${address.port}`;
  process.stdout.write(`shop ${basename(FOLDER)} listens on ${where}\n`);
});
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, stop);

/** Answers what is under way, then ends. */
function stop() {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
}

async function answer(request, response) {
  const pathname = URL.parse(request.url, "http://shop")?.pathname ?? "";
  const route = `${request.method} ${pathname}`;
  if (route === "GET /health") return sendHealth(response);
  if (route === "GET /api/products") return sendJson(response, 200, { products: PRODUCTS });
  if (route === "GET /api/cart") return sendCart(response, 200, cartOf(request, response));
  if (route === "POST /api/cart") return addToCart(request, response);
  if (request.method === "GET" || request.method === "HEAD") return sendFile(response, pathname);
  response.setHeader("allow", "GET, HEAD");
  return sendJson(response, 405, { error: "method not allowed" });
}

/** A file named `broken`, or `{ "healthy": false }` in config.json, makes this release unfit to serve. */
function sendHealth(response) {
  const config = join(FOLDER, "config.json");
  const settings = existsSync(config) ? JSON.parse(readFileSync(config, "utf8")) : {};
  const ok = !existsSync(join(FOLDER, "broken")) && settings.healthy !== false;
  const health = { ok, release: basename(FOLDER), uptimeSeconds: Math.floor(process.uptime()) };
  return sendJson(response, ok ? 200 : 500, health);
}

async function addToCart(request, response) {
  const order = parse(await bodyOf(request));
  const isKnown = PRODUCTS.some(({ id }) => id === order?.id);
  const { quantity = 1 } = order ?? {};
  if (!isKnown || !Number.isInteger(quantity) || quantity < 1 || quantity > 99) {
    return sendJson(response, 400, { error: "name a product and a quantity from 1 to 99" });
  }
  const cart = cartOf(request, response);
  cart.set(order.id, (cart.get(order.id) ?? 0) + quantity);
  return sendCart(response, 201, cart);
}

function sendCart(response, status, cart) {
  const items = [...cart].map(([id, quantity]) => {
    const { name, price } = PRODUCTS.find((product) => product.id === id);
    return { id, name, quantity, price };
  });
  const total = items.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
  return sendJson(response, status, { items, total });
}

/** Baskets are kept in memory, one per visitor; the oldest goes when there are too many. */
function cartOf(request, response) {
  const known = /(?:^|; )cart=([0-9a-f-]{36})/.exec(request.headers.cookie ?? "")?.[1];
  const cart = carts.get(known);
  if (cart !== undefined) return cart;

  const id = randomUUID();
  const created = new Map();
  carts.set(id, created);
  if (carts.size > MOST_CARTS) carts.delete(carts.keys().next().value);
  response.setHeader("set-cookie", `cart=${id}; Path=/; HttpOnly; SameSite=Lax`);
  return created;
}

async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LONGEST_BODY) return "";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function sendFile(response, pathname) {
  const path = fileOf(pathname);
  const body = path === undefined ? undefined : await readFile(path).catch(() => undefined);
  if (body === undefined) return sendJson(response, 404, { error: "not found" });
  const isNamedByContent = pathname.startsWith("/assets/");
  response.writeHead(200, {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": body.length,
    "cache-control": isNamedByContent ? "public, max-age=31536000, immutable" : "no-cache",
  });
  response.end(body);
}

/** The file of a path. URL has resolved `..` already; what is still encoded is no name of ours. */
function fileOf(pathname) {
  if (!/^[/\w.-]*$/.test(pathname)) return undefined;
  return join(PUBLIC, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
}

function sendJson(response, status, value) {
  const body = `${JSON.stringify(value)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(body);
}
