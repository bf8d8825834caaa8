import { execFile } from "node:child_process";
import { createPrivateKey, randomUUID, sign, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";

/** Who may log in, and where files are kept. */
export interface TokenServerOptions {
  /** Existing or new folder, absolute. */
  readonly folder: string;
  readonly username: string;
  readonly password: string;
}

/** A server that gives tokens a registry trusts. */
export interface TokenServer extends AsyncDisposable {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** Path of the certificate that signs. */
  readonly certificate: string;
  /** Seconds that a token lives; may be changed. */
  lifeSeconds: number;
  /** Actions it gives at most; may be changed: `["pull"]`. */
  allowed: readonly string[];
  /** Scopes it was asked for, one entry a request. */
  readonly asked: string[][];
}

/**
 * Starts a token server on a free loopback port. Needs `openssl`.
 *
 * @see CNCF distribution, "Token Authentication Implementation"
 */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const { folder, username, password } = options;
  await mkdir(folder, { recursive: true });
  const [key, certificate] = [join(folder, "token.key"), join(folder, "token.crt")];
  const words =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tokens";
  await promisify(execFile)("openssl", [...words.split(" "), "-keyout", key, "-out", certificate]);
  const signing = createPrivateKey(await readFile(key));
  const chain = new X509Certificate(await readFile(certificate)).raw.toString("base64");
  const login = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

  const server = createServer((message, response) => {
    const url = new URL(message.url ?? "/", "http://tokens");
    const scopes = url.searchParams.getAll("scope");
    state.asked.push(scopes);
    if (message.headers.authorization !== login) {
      response.writeHead(401).end();
      return;
    }
    const access = scopes.map((scope) => accessOf(scope, state.allowed));
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: state.issuer,
      sub: username,
      aud: state.service,
      exp: now + state.lifeSeconds,
      nbf: now - 60,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const parts = [{ typ: "JWT", alg: "ES256", x5c: [chain] }, claims].map(base64url).join(".");
    const mark = sign("sha256", Buffer.from(parts), { key: signing, dsaEncoding: "ieee-p1363" });
    const token = `${parts}.${mark.toString("base64url")}`;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ token, expires_in: state.lifeSeconds }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  const state: TokenServer = {
    realm: `http://127.0.0.1:${port}/token`,
    service: "sandbox",
    issuer: "lockstep-test",
    certificate,
    lifeSeconds: 300,
    allowed: ["pull", "push", "delete"],
    asked: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return state;
}

function accessOf(scope: string, allowed: readonly string[]): object {
  const [type, name, actions = ""] = scope.split(":");
  return { type, name, actions: actions.split(",").filter((action) => allowed.includes(action)) };
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
