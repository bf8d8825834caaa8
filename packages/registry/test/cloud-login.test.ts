import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { isLockstepError } from "@lockstep/plugin";
import { type SandboxRegistry, startSandboxRegistry } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ecrApi } from "../src/auth/ecr.ts";
import type { RegistryOptions } from "../src/index.ts";
import { loadPeer } from "../src/peer.ts";
import { filesOf, ONE, Shop } from "./world.ts";

const PASSWORD = "canary-ecr-password";
const KEYS = { id: "AKIDEXAMPLE", secret: "canary-secret-access-key" };

let registry: SandboxRegistry;
let api: Server;
let asked: { readonly headers: IncomingMessage["headers"]; readonly body: string }[];
/** What the API of ECR answers to a request that is signed right. */
let answer: { readonly status: number; readonly body: string };

beforeEach(async () => {
  registry = await startSandboxRegistry({
    auth: { kind: "basic", username: "AWS", password: PASSWORD },
  });
  asked = [];
  answer = {
    status: 200,
    body: JSON.stringify({
      authorizationData: [
        {
          authorizationToken: Buffer.from(`AWS:${PASSWORD}`).toString("base64"),
          expiresAt: 1_795_000_000,
          proxyEndpoint: `http://${registry.host}`,
        },
      ],
    }),
  };
  api = createServer((request, response) => {
    buffer(request).then(
      (bytes) => answerSigned(bytes, { request, response }),
      (error: unknown) => response.destroy(error as Error),
    );
  });
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
});
afterEach(async () => {
  api.closeAllConnections();
  api.close();
  await registry[Symbol.asyncDispose]();
});

/** What the API says of the repository; undefined: the account may not know. */
let mutability: string | undefined;

function answerSigned(
  bytes: Buffer,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): void {
  asked.push({ headers: request.headers, body: bytes.toString() });
  const isSigned = signatureOf(request, bytes) === request.headers.authorization;
  if (isSigned && request.headers["x-amz-target"]?.toString().endsWith(".DescribeRepositories")) {
    const body = { repositories: [{ imageTagMutability: mutability }] };
    response.writeHead(mutability === undefined ? 400 : 200).end(JSON.stringify(body));
    return;
  }
  response.writeHead(isSigned ? answer.status : 403).end(isSigned ? answer.body : "{}");
}

/**
 * What stands in `Authorization` when the keys of this test signed the request.
 *
 * @see AWS Signature Version 4, "Create a signed AWS API request"
 */
function signatureOf({ method, url, headers }: IncomingMessage, body: Uint8Array): string {
  const sha256 = (text: string | Uint8Array): string =>
    createHash("sha256").update(text).digest("hex");
  const hmac = (key: string | Uint8Array, text: string): Buffer =>
    createHmac("sha256", key).update(text).digest();
  const names = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? "")?.[1] ?? "";
  const lines = names.split(";").map((name) => `${name}:${String(headers[name])}\n`);
  const request = [method, url, "", lines.join(""), names, sha256(body)].join("\n");
  const date = String(headers["x-amz-date"]);
  const scope = `${date.slice(0, 8)}/eu-central-1/ecr/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", date, scope, sha256(request)].join("\n");
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${KEYS.secret}`);
  const signature = hmac(key, text).toString("hex");
  return `AWS4-HMAC-SHA256 Credential=${KEYS.id}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
}

function open(
  env: Record<string, string>,
  auth: RegistryOptions["auth"] = {
    ecr: {
      region: "eu-central-1",
      endpoint: `http://127.0.0.1:${(api.address() as AddressInfo).port}/`,
    },
  },
): Promise<Shop> {
  return Shop.open(
    { repository: `${registry.host}/acme/shop`, ...(auth === undefined ? {} : { auth }) },
    { env },
  );
}

const AWS = { AWS_ACCESS_KEY_ID: KEYS.id, AWS_SECRET_ACCESS_KEY: KEYS.secret };

describe("a login at Amazon ECR", () => {
  it("is one signed request, whose password the registry gets", async () => {
    await using shop = await open({ ...AWS, AWS_SESSION_TOKEN: "canary-session" });
    const plan = await shop.deploy(ONE, filesOf("one"));

    expect(registry.store.tags("acme/shop")).toHaveProperty("latest");
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      body: "{}",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-security-token": "canary-session",
        "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
      },
    });
    expect(asked[0]?.headers.authorization).toMatch(
      /SignedHeaders=[^,]*host;[^,]*x-amz-security-token;x-amz-target/,
    );
    expect(shop.masked).toEqual(expect.arrayContaining([KEYS.secret, "canary-session", PASSWORD]));
    expect(JSON.stringify([plan, shop.lines])).not.toContain("canary");
  });

  it.each([
    ["IMMUTABLE", "REGISTRY_TAG_IMMUTABLE"],
    ["MUTABLE", "planned"],
    [undefined, "planned"],
  ])("knows in the plan that tags stay when the repository is %s: %s", async (said, ends) => {
    await using first = await open(AWS);
    await first.deploy(ONE, filesOf("one"));
    mutability = said;
    asked = [];
    await using shop = await open(AWS);
    await shop.build(filesOf("two"));
    const pushed = registry.requests.filter(({ method }) => method !== "GET").length;

    const outcome = await shop.plan({ ...ONE, id: "two" }).then(
      () => "planned",
      (error: unknown) => (isLockstepError(error) ? error.code : String(error)),
    );

    expect(outcome).toBe(ends);
    expect(asked.map(({ body }) => body)).toEqual(["{}", '{"repositoryNames":["acme/shop"]}']);
    expect(registry.requests.filter(({ method }) => method !== "GET")).toHaveLength(pushed);
  });

  it("with wrong keys, or with an answer that holds no password, says so and shows nothing", async () => {
    await using wrong = await open({ ...AWS, AWS_SECRET_ACCESS_KEY: "canary-wrong" });
    await wrong.build(filesOf("one"));

    await expect(wrong.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_LOGIN",
      message: expect.stringMatching(
        /answered 403 to the credentials from AWS_ACCESS_KEY_ID/,
      ) as string,
    });

    answer = { status: 200, body: '{"authorizationData":[]}' };
    await using empty = await open(AWS);
    await empty.build(filesOf("one"));
    await expect(empty.plan(ONE)).rejects.toMatchObject({ code: "REGISTRY_LOGIN" });
    expect(registry.requests.filter(({ headers }) => headers.authorization)).toEqual([]);
  });

  it.each<readonly [string, object, object | undefined]>([
    [
      "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
      {},
      { url: "https://api.ecr.eu-central-1.amazonaws.com/", region: "eu-central-1" },
    ],
    [
      "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
      {},
      { url: "https://api.ecr.cn-north-1.amazonaws.com.cn/", region: "cn-north-1" },
    ],
    [
      "registry.example.com",
      { region: "us-east-1", endpoint: "https://vpce.example.com/" },
      { url: "https://vpce.example.com/", region: "us-east-1" },
    ],
    ["registry.example.com", { region: "us-east-1" }, undefined],
    ["123456789012.dkr.ecr.eu-central-1.amazonaws.com.example.com", {}, undefined],
  ])("at %s with %o asks %o", (host, auth, wanted) => {
    const found = ecrApi(auth, host);

    expect(found && { ...found, url: found.url.href }).toEqual(wanted);
  });
});

describe("a login at GitHub", () => {
  it.each(["GITHUB_TOKEN", "GH_TOKEN"])("takes the token of %s as it is", async (name) => {
    await registry[Symbol.asyncDispose]();
    registry = await startSandboxRegistry({
      auth: { kind: "bearer", username: "token", password: "canary-github" },
    });
    await using shop = await open({ [name]: "canary-github" }, "github");
    await shop.deploy(ONE, filesOf("one"));

    expect(registry.store.tags("acme/shop")).toHaveProperty("latest");
    expect(shop.masked).toContain("canary-github");
  });

  it("without a token is refused before anything is pushed", async () => {
    await using shop = await open({ GITHUB_TOKEN: "" }, "github");
    await shop.build(filesOf("one"));

    await expect(shop.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_CREDENTIALS",
      message: "There are no credentials in GITHUB_TOKEN or GH_TOKEN.",
    });
  });
});

describe("a package that is needed and not installed", () => {
  const missing = "@lockstep/is-not-there";

  it("is named, with what it is needed for", async () => {
    const load = (): Promise<unknown> => import(/* @vite-ignore */ missing);

    await expect(loadPeer({ name: missing, purpose: "a test" }, load)).rejects.toMatchObject({
      code: "REGISTRY_PEER",
      message: `${missing} is not installed; it is needed for a test.`,
    });
  });

  it("is not blamed for what is missing inside of another", async () => {
    const load = (): Promise<unknown> => import(/* @vite-ignore */ missing);

    await expect(
      loadPeer({ name: "@sigstore/sign", purpose: "a test" }, load),
    ).rejects.not.toHaveProperty("code", "REGISTRY_PEER");
  });
});
