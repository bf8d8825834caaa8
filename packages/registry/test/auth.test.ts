import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kill } from "node:process";
import { secret } from "@lockstep/plugin";
import { type RegistryAuth, type SandboxRegistry, startSandboxRegistry } from "@lockstep/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { parseChallenges } from "../src/auth/challenge.ts";
import { askHelper } from "../src/auth/helper.ts";
import type { RegistryOptions } from "../src/index.ts";
import { filesOf, ONE, Shop } from "./world.ts";

const LOGIN = { username: "deploy", password: "canary-password-7391" };
const AUTH = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");

let server: SandboxRegistry | undefined;
let shop: Shop | undefined;
afterEach(async () => {
  await shop?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

async function begin(
  auth: Partial<RegistryAuth> = {},
  options: Partial<RegistryOptions> = {},
): Promise<{ shop: Shop; server: SandboxRegistry }> {
  server = await startSandboxRegistry({ auth: { kind: "bearer", ...LOGIN, ...auth } });
  shop = await Shop.open(
    { repository: `${server.host}/acme/shop`, ...options },
    {
      env: {
        PASSWORD: LOGIN.password,
        TOKEN: "identity-canary-1",
        PATH: process.env["PATH"] ?? "",
      },
    },
  );
  await shop.build(filesOf("one"));
  return { shop, server };
}

async function configFile(
  { folder }: Shop,
  content: unknown,
  at = ".docker/config.json",
): Promise<void> {
  await mkdir(join(folder, at, ".."), { recursive: true });
  await writeFile(
    join(folder, at),
    typeof content === "string" ? content : JSON.stringify(content),
  );
}

async function helper({ folder, env }: Shop, name: string, script: string): Promise<void> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, `docker-credential-${name}`), 0o755);
  env["PATH"] = `${bin}:${env["PATH"] ?? ""}`;
}

describe("a login", () => {
  it.each(["basic", "bearer"] as const)("is done as the registry asks: %s", async (kind) => {
    const run = await begin(
      { kind },
      { auth: { username: "deploy", password: secret("PASSWORD") } },
    );
    await run.shop.deploy(ONE);

    expect(run.server.store.tags("acme/shop")).toHaveProperty("latest");
  });

  it("with an identity token posts it, and gets tokens for it", async () => {
    const run = await begin(
      { identityToken: "identity-canary-1" },
      { auth: { identityToken: secret("TOKEN") } },
    );
    await run.shop.deploy(ONE);

    const asked = run.server.requests.filter(({ path }) => path === "/token");
    expect(asked.map(({ method }) => method)).toEqual(["POST"]);
    expect(run.server.store.tags("acme/shop")).toHaveProperty("latest");
  });

  it("asks for one token that covers the whole run", async () => {
    const run = await begin({}, { auth: { username: "deploy", password: secret("PASSWORD") } });
    await run.shop.deploy(ONE);

    const asked = run.server.requests.filter(({ path }) => path === "/token");
    expect(asked.map(({ query }) => query.getAll("scope"))).toEqual([
      ["repository:acme/shop:pull,push"],
    ]);
  });

  it("that ends in the middle of a blob is renewed once, and the blob is sent again", async () => {
    const run = await begin({}, { auth: { username: "deploy", password: secret("PASSWORD") } });
    let revoked = 0;
    run.server.fault = async ({ method, path }, { message, response }) => {
      if (method !== "PUT" || !path.includes("/uploads/") || revoked === 1) return false;
      revoked += 1;
      run.server.tokens.clear();
      await once(message, "data");
      response
        .writeHead(401, {
          "www-authenticate": `Bearer realm="http://${run.server.host}/token",service="sandbox"`,
        })
        .end();
      return true;
    };

    await run.shop.deploy(ONE);

    expect(revoked).toBe(1);
    expect(run.server.requests.filter(({ path }) => path === "/token")).toHaveLength(2);
    expect(run.server.store.missing("acme/shop", "latest")).toEqual([]);
  });

  it("that is refused is not tried again, and its source is named", async () => {
    const run = await begin(
      { password: "another-password" },
      { auth: { username: "deploy", password: secret("PASSWORD") } },
    );

    await expect(run.shop.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_LOGIN",
      message: expect.stringMatching(
        /answered 401 to the credentials from the config\.$/,
      ) as string,
    });
    expect(run.server.requests.filter(({ path }) => path === "/token")).toHaveLength(1);
  });

  it.each(["basic", "bearer"] as const)(
    "that nobody has left anywhere is missed by name, with where it was looked for: %s",
    async (kind) => {
      const run = await begin({ kind });

      await expect(run.shop.plan(ONE)).rejects.toMatchObject({
        code: "REGISTRY_LOGIN",
        message: expect.stringMatching(
          /answered 401, and there are no credentials in .*\.docker\/config\.json, .*auth\.json\.$/,
        ) as string,
        hint: expect.stringContaining(`\`docker login ${run.server.host}\``) as string,
      });
    },
  );

  it("that the config forbids is not looked for, and the message says so", async () => {
    const run = await begin({}, { auth: "anonymous" });

    await expect(run.shop.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_LOGIN",
      message: expect.stringMatching(
        /answered 401, and there are no credentials in the config: its auth is anonymous\.$/,
      ) as string,
    });
  });

  it("whose token allows nothing is told as a missing right, not as a wrong password", async () => {
    const run = await begin({}, { auth: { token: secret("TOKEN") } });
    const claims = Buffer.from('{"access":[]}').toString("base64url");
    run.shop.env["TOKEN"] = `e30.${claims}.c2ln`;

    await expect(run.shop.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_FORBIDDEN",
      message: `The credentials from the config get no rights in ${run.server.host}/acme/shop; pull is needed.`,
    });
  });

  it("without the right to push says which request, and whose credentials", async () => {
    const run = await begin({}, { auth: { username: "deploy", password: secret("PASSWORD") } });
    run.server.fault = ({ method }, { response }) => {
      if (method !== "POST") return false;
      response
        .writeHead(403, { "content-type": "application/json" })
        .end('{"errors":[{"code":"DENIED","message":"read only"}]}');
      return true;
    };

    await expect(run.shop.deploy(ONE)).rejects.toMatchObject({
      code: "REGISTRY_FORBIDDEN",
      message: expect.stringMatching(
        /POST .*uploads\/ was answered 403 \(DENIED: read only\), with credentials from the config/,
      ) as string,
    });
  });
});

describe("credentials that docker or podman left behind", () => {
  it.each([
    [".docker/config.json", {}],
    ["elsewhere/config.json", { DOCKER_CONFIG: "elsewhere" }],
    ["auth.json", { REGISTRY_AUTH_FILE: "auth.json" }],
    ["run/containers/auth.json", { XDG_RUNTIME_DIR: "run" }],
    [".config/containers/auth.json", {}],
  ])("are found in %s", async (at, env) => {
    const run = await begin();
    for (const [name, path] of Object.entries(env))
      run.shop.env[name] = join(run.shop.folder, path);
    await configFile(run.shop, { auths: { [run.server.host]: { auth: AUTH } } }, at);

    await run.shop.deploy(ONE);

    expect(run.server.store.tags("acme/shop")).toHaveProperty("latest");
    expect(run.shop.masked).toContain(LOGIN.password);
  });

  it.each(["a file", "a helper"])("may be an identity token, out of %s", async (kind) => {
    const run = await begin({ identityToken: "identity-canary-1" });
    const { host } = run.server;
    if (kind === "a file") {
      const auth = Buffer.from("00000000-0000-0000-0000-000000000000:").toString("base64");
      await configFile(run.shop, {
        auths: { [host]: { auth, identitytoken: "identity-canary-1" } },
      });
    } else {
      await configFile(run.shop, { credsStore: "canary" });
      const answer = '{"Username":"<token>","Secret":"identity-canary-1"}';
      await helper(run.shop, "canary", `cat > /dev/null; echo '${answer}'`);
    }

    await run.shop.deploy(ONE);

    const asked = run.server.requests.filter(({ path }) => path === "/token");
    expect(asked.map(({ method }) => method)).toEqual(["POST"]);
    expect(run.server.store.tags("acme/shop")).toHaveProperty("latest");
    expect(run.shop.masked).toContain("identity-canary-1");
  });

  it("are those of the longest prefix of the repository", async () => {
    const run = await begin();
    const wrong = { auth: Buffer.from("deploy:wrong-password").toString("base64") };
    const { host } = run.server;
    await configFile(run.shop, {
      auths: { [host]: wrong, [`${host}/acme`]: wrong, [`${host}/acme/shop`]: { auth: AUTH } },
    });

    await run.shop.deploy(ONE);

    expect(run.server.store.tags("acme/shop")).toHaveProperty("latest");
  });

  it.each(["credHelpers", "credsStore"])("come from a helper named in %s", async (key) => {
    const run = await begin();
    const { host } = run.server;
    await configFile(
      run.shop,
      key === "credsStore" ? { credsStore: "canary" } : { credHelpers: { [host]: "canary" } },
    );
    await helper(
      run.shop,
      "canary",
      `[ "$1" = get ] && read -r server && [ "$server" = "${host}" ] && echo '{"Username":"deploy","Secret":"${LOGIN.password}"}'`,
    );

    await run.shop.deploy(ONE);

    expect(run.server.store.tags("acme/shop")).toHaveProperty("latest");
  });

  it("are looked for elsewhere when a helper knows nothing", async () => {
    const run = await begin();
    await configFile(run.shop, {
      credsStore: "canary",
      auths: { [run.server.host]: { auth: AUTH } },
    });
    await helper(run.shop, "canary", "echo 'credentials not found in native keychain'; exit 1");

    await run.shop.deploy(ONE);

    expect(run.server.store.tags("acme/shop")).toHaveProperty("latest");
  });

  it.each([
    ["prints garbage", `echo 'canary-password-7391 is no JSON'`],
    ["prints other JSON", `echo '["canary-password-7391"]'`],
    ["fails", "echo canary-password-7391; exit 3"],
    ["is killed", "kill -9 $$"],
  ])(
    "are not replaced by nobody when a helper %s, and its output is not shown",
    async (_name, script) => {
      const run = await begin();
      await configFile(run.shop, { credsStore: "canary" });
      await helper(run.shop, "canary", script);

      const failure: unknown = await run.shop.plan(ONE).catch((error: unknown) => error);

      expect(failure).toMatchObject({ code: "REGISTRY_HELPER" });
      expect(String(failure)).not.toContain(LOGIN.password);
      expect(run.server.requests).toHaveLength(1);
    },
  );

  it("are not waited for without end: a helper that hangs is killed", async () => {
    const run = await begin();
    await helper(run.shop, "slow", `echo $$ > "$HOME/pid"; exec sleep 60`);

    const asking = askHelper(run.shop.context(), "slow", { server: "ghcr.io", timeoutMs: 500 });

    await expect(asking).rejects.toMatchObject({
      code: "REGISTRY_HELPER",
      message: "`docker-credential-slow get` for ghcr.io did not end in 0.5 s.",
    });
    const pid = Number(await readFile(join(run.shop.folder, "pid"), "utf8"));
    await expect.poll(() => isThere(pid)).toBe(false);
  });

  it.each([
    ["no JSON", "{ canary-password-7391"],
    [
      "an auth that is no pair",
      { auths: { HOST: { auth: Buffer.from("canary-password-7391").toString("base64") } } },
    ],
  ])("are refused when the file holds %s", async (_name, content) => {
    const run = await begin();
    const text =
      typeof content === "string"
        ? content
        : JSON.stringify(content).replace("HOST", run.server.host);
    await configFile(run.shop, text);

    const failure: unknown = await run.shop.plan(ONE).catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: "REGISTRY_CREDENTIALS" });
    expect(String(failure)).not.toContain("canary");
  });
});

function isThere(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch {
    return false;
  }
}

describe("challenges", () => {
  it.each<readonly [string, object[]]>([
    ['Basic realm="a"', [{ scheme: "basic", parameters: { realm: "a" } }]],
    [
      'Bearer realm="https://a/t?x=1,2",service="s",scope="repository:a:pull,push"',
      [
        {
          scheme: "bearer",
          parameters: { realm: "https://a/t?x=1,2", service: "s", scope: "repository:a:pull,push" },
        },
      ],
    ],
    [
      'Bearer realm = "a\\"b" , error=invalid',
      [{ scheme: "bearer", parameters: { realm: 'a"b', error: "invalid" } }],
    ],
    [
      'Negotiate, Basic realm="a", Bearer realm=b',
      [
        { scheme: "negotiate", parameters: {} },
        { scheme: "basic", parameters: { realm: "a" } },
        { scheme: "bearer", parameters: { realm: "b" } },
      ],
    ],
    [
      "NTLM TlRMTVNTUAAB==, Basic realm=a",
      [
        { scheme: "ntlm", parameters: {} },
        { scheme: "basic", parameters: { realm: "a" } },
      ],
    ],
    ['Bearer realm="never closed', [{ scheme: "bearer", parameters: {} }]],
    ["", []],
    [",,,", []],
    ["=", []],
  ])("%s", (header, challenges) => {
    expect(parseChallenges([header])).toEqual(challenges);
  });

  it("of several headers are all read", () => {
    expect(parseChallenges(["Basic realm=a", "Bearer realm=b"])).toHaveLength(2);
  });
});
