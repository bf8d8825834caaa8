import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { startSandboxS3 } from "@lockstep/testkit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openBucket } from "../src/aws-bucket.ts";
import { accountOf, usualLimits } from "../src/aws-client.ts";
import type { CredentialOptions } from "../src/index.ts";
import { s3Schema } from "../src/options.ts";
import { Folder } from "./world.ts";

/** A double of the Security Token Service: whatever role is asked for gets the same keys. */
interface Tokens extends AsyncDisposable {
  readonly url: string;
  /** Names of the calls that came. */
  readonly asked: string[];
}

async function startTokens(keys: {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}): Promise<Tokens> {
  const asked: string[] = [];
  const server = createServer((message, response) => {
    let text = "";
    message.on("data", (chunk: Buffer) => (text += chunk.toString()));
    message.on("end", () => {
      const action = new URLSearchParams(text).get("Action") ?? "";
      asked.push(action);
      const ends = new Date(Date.now() + 3_600_000).toISOString();
      response.writeHead(200, { "content-type": "text/xml" });
      response.end(
        `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials><AccessKeyId>${keys.accessKeyId}</AccessKeyId><SecretAccessKey>${keys.secretAccessKey}</SecretAccessKey><SessionToken>token</SessionToken><Expiration>${ends}</Expiration></Credentials></${action}Result></${action}Response>`,
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const surroundings = { env: {}, random: Math.random, secret: async () => "" };

describe("credentials that nobody writes into the config", () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    ["a profile", "profile", []],
    ["a program of a profile", "program", []],
    ["a role that another profile may take on", "role", ["AssumeRole"]],
    ["a token of a build service", "web", ["AssumeRoleWithWebIdentity"]],
  ])("come from %s", async (_name, profile, calls) => {
    await using server = await startSandboxS3({ buckets: ["shop"] });
    await using tokens = await startTokens(server.credentials);
    await using folder = await Folder.open();
    const { accessKeyId, secretAccessKey } = server.credentials;
    const [config, token] = [join(folder.path, "config"), join(folder.path, "token")];
    const said = JSON.stringify({
      Version: 1,
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
    });
    await writeFile(join(folder.path, "said.json"), said);
    await writeFile(token, "a.b.c");
    const role = "role_arn = arn:aws:iam::123456789012:role/deploy";
    await writeFile(
      config,
      [
        `[profile profile]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}`,
        `[profile program]\ncredential_process = cat ${join(folder.path, "said.json")}`,
        `[profile role]\n${role}\nsource_profile = profile\nregion = eu-1`,
        `[profile web]\n${role}\nweb_identity_token_file = ${token}\nregion = eu-1`,
      ].join("\n"),
    );
    vi.stubEnv("AWS_CONFIG_FILE", config);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder.path, "none"));
    vi.stubEnv("AWS_ENDPOINT_URL_STS", tokens.url);
    const { bucket: settings } = s3Schema.parse({
      bucket: "shop",
      source: "dist",
      endpoint: server.endpoint,
      region: server.region,
    });

    await using bucket = await openBucket(
      settings,
      { ...surroundings, env: { AWS_PROFILE: profile, AWS_ACCESS_KEY_ID: "" } },
      usualLimits,
    );
    await bucket.put({ key: "a", body: Buffer.from("a") });

    expect(server.buckets.get("shop")?.has("a")).toBe(true);
    expect(tokens.asked).toEqual(calls);
  });

  it.each<[string, CredentialOptions | undefined, object]>([
    ["the variable of a profile", undefined, { AWS_PROFILE: "shop" }],
    ["a profile that the config names", { profile: "shop" }, {}],
    ["the usual profile", undefined, {}],
  ])("come from files that are given to the run alone, by %s", async (_name, credentials, more) => {
    await using server = await startSandboxS3({ buckets: ["shop"] });
    await using folder = await Folder.open();
    const { accessKeyId, secretAccessKey } = server.credentials;
    const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}`;
    await writeFile(join(folder.path, "config"), `[profile shop]\n${keys}`);
    await writeFile(join(folder.path, "keys"), `[default]\n${keys}`);
    vi.stubEnv("AWS_CONFIG_FILE", join(folder.path, "none"));
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder.path, "none"));
    const env = {
      AWS_CONFIG_FILE: join(folder.path, "config"),
      AWS_SHARED_CREDENTIALS_FILE: join(folder.path, "keys"),
      ...more,
    };
    const { endpoint, region } = server;
    const place = { bucket: "shop", source: "dist", endpoint, region };
    const written = credentials === undefined ? place : { ...place, credentials };

    const { bucket: settings } = s3Schema.parse(written);
    await using bucket = await openBucket(settings, { ...surroundings, env }, usualLimits);
    await bucket.put({ key: "a", body: Buffer.from("a") });
    const found = await bucket.get("a");

    expect(Buffer.from(found?.body ?? "").toString()).toBe("a");
  });

  it("are missed, or what gives them out is named when it is not there", async () => {
    await using folder = await Folder.open();
    const config = join(folder.path, "config");
    const role = "role_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = keys";
    const keys = "aws_access_key_id = a\naws_secret_access_key = b";
    await writeFile(config, `[profile keys]\n${keys}\n[profile role]\n${role}\nregion = eu-1`);
    vi.stubEnv("AWS_CONFIG_FILE", config);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder.path, "none"));
    vi.stubEnv("AWS_ENDPOINT_URL_STS", "http://tokens.invalid");
    const { bucket: settings } = s3Schema.parse({
      bucket: "shop",
      source: "dist",
      endpoint: "http://127.0.0.1:9",
      region: "eu-1",
    });
    const failure = async (profile: string): Promise<unknown> => {
      const env = { AWS_PROFILE: profile };
      const limits = { ...usualLimits, tries: 1 };
      await using bucket = await openBucket(settings, { ...surroundings, env }, limits);
      return await bucket.head("a").catch((error: unknown) => error);
    };

    expect(await failure("nobody")).toMatchObject({
      code: "S3_CREDENTIALS",
    });
    expect(await failure("role")).toMatchObject({
      message: expect.stringContaining("tokens.invalid"),
    });
  });

  it("are not taken from variables that are empty, as those of missing secrets are", async () => {
    const settings = s3Schema.parse({ bucket: "shop", source: "dist" }).bucket;
    const empty = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", AWS_PROFILE: "" };

    expect(await accountOf(settings, { ...surroundings, env: empty })).toEqual({});
  });
});
