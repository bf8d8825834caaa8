import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secret } from "@lockstep/plugin";
import { type Distribution, startDistribution } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RegistryOptions } from "../../src/index.ts";
import { run } from "../readers.ts";
import { digestIn, filesOf, ONE, Shop, TWO } from "../world.ts";

const KEY = generateKeyPairSync("ec", { namedCurve: "P-256" });
const PEM = KEY.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

let folder: string;
let [near, far]: readonly Distribution[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-copies-"));
  near = await startDistribution({ folder: join(folder, "near") });
  far = await startDistribution({ folder: join(folder, "far") });
});
afterAll(async () => {
  for (const server of [near, far]) await server?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Shown {
  readonly manifests: readonly {
    readonly digest: string;
    readonly artifactType?: string;
    readonly platform: { readonly architecture: string };
  }[];
  readonly layers: readonly {
    readonly digest: string;
    readonly annotations: Record<string, string>;
  }[];
}

/** A manifest as skopeo shows it. */
async function shown(image: string): Promise<Shown> {
  const words = ["inspect", "--raw", "--tls-verify=false", `docker://${image}`];
  return JSON.parse(await run("skopeo", ...words)) as Shown;
}

/** An image with all blobs, as skopeo fetches it; files are called by the hex of their digests. */
async function fetched(image: string, ...words: readonly string[]): Promise<string> {
  const place = await mkdtemp(join(folder, "fetched-"));
  const from = ["copy", ...words, "--src-tls-verify=false", `docker://${image}`];
  await run("skopeo", ...from, `dir:${place}`);
  return place;
}

function open(
  server: Distribution | undefined,
  name: string,
  options: Partial<RegistryOptions> = {},
): Promise<Shop> {
  const repository = `${server?.host}/${name}`;
  return Shop.open({ repository, ...options }, { env: { KEY: PEM } });
}

describe("an image for two platforms, with what goes with it", { timeout: 120_000 }, () => {
  let digest: string;
  beforeAll(async () => {
    await using shop = await open(near, "copies/staging", {
      source: { directory: "dist", base: "scratch", platforms: ["linux/amd64", "linux/arm64"] },
      attach: { sbom: true, provenance: true, signingKey: secret("KEY") },
    });
    const files = { ...filesOf("one"), "big.bin": Buffer.alloc(4 << 20, "x") };
    digest = digestIn((await shop.deploy(ONE, files)).outputs);
  });

  it.each(["the same registry", "another registry"] as const)(
    "is taken to %s whole: skopeo finds every platform, and the documents",
    async (kind) => {
      const server = kind === "another registry" ? far : near;
      const before = server?.log().length ?? 0;
      await using shop = await open(server, "copies/production", {
        source: { image: `${near?.host}/copies/staging@${digest}` },
      });
      const plan = await shop.deploy(TWO);

      expect(plan.outputs?.["digest"]).toBe(digest);
      const said = server?.log().slice(before) ?? "";
      const image = `${server?.host}/copies/production`;
      await fetched(`${image}@${digest}`, "--all");
      const { manifests } = await shown(`${image}:latest`);
      expect(manifests.map(({ platform }) => platform.architecture)).toEqual(["amd64", "arm64"]);
      const list = await shown(`${image}:${digest.replace(":", "-")}`);
      expect(list.manifests.map(({ artifactType }) => artifactType)).toEqual([
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
      ]);
      for (const document of list.manifests) await fetched(`${image}@${document.digest}`);

      const sent = [...said.matchAll(/"(\w+) (\/v2\/\S+) HTTP\/1\.1" (\d+)/g)];
      const isBody = ([, method, url = ""]: RegExpMatchArray): boolean =>
        (method === "PUT" && url.includes("/blobs/uploads/")) ||
        (method === "GET" && url.includes("/blobs/"));
      expect(sent.length).toBeGreaterThan(5);
      expect(sent.filter(isBody).length === 0).toBe(kind === "the same registry");
    },
  );

  it("is signed as openssl verifies it in what skopeo has fetched, with no other key and no other text", async () => {
    const place = await fetched(`${near?.host}/copies/staging:${digest.replace(":", "-")}.sig`);
    const { layers } = JSON.parse(await readFile(join(place, "manifest.json"), "utf8")) as Shown;
    const payload = await readFile(join(place, layers[0]?.digest.slice("sha256:".length) ?? ""));
    const signature = layers[0]?.annotations["dev.cosignproject.cosign/signature"] ?? "";
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const verify = async (text: Buffer, { publicKey }: typeof KEY): Promise<boolean> => {
      const [key, sig, body] = ["key", "sig", "body"].map((name) => join(place, `${name}.tmp`));
      if (key === undefined || sig === undefined || body === undefined) return false;
      await writeFile(key, publicKey.export({ type: "spki", format: "pem" }));
      await writeFile(sig, Buffer.from(signature, "base64"));
      await writeFile(body, text);
      return run("openssl", "dgst", "-sha256", "-verify", key, "-signature", sig, body).then(
        (said) => said.includes("Verified OK"),
        () => false,
      );
    };

    expect(JSON.parse(payload.toString())).toMatchObject({
      critical: { image: { "docker-manifest-digest": digest } },
    });
    expect(await verify(payload, KEY)).toBe(true);
    expect(await verify(payload, other)).toBe(false);
    expect(await verify(Buffer.from(`${payload.toString()} `), KEY)).toBe(false);
  });
});

it("a layer in zstd is what its config says, to others who unpack it", async () => {
  await using shop = await open(near, "copies/zstd", {
    source: { directory: "dist", base: "scratch", compression: "zstd", layers: "one" },
  });
  const { outputs } = await shop.deploy(ONE, {
    ...filesOf("one"),
    "big.bin": Buffer.alloc(4 << 20, "x"),
  });
  const image = `${near?.host}/copies/zstd@${digestIn(outputs)}`;

  const place = await fetched(image, "--dest-decompress");

  const config = JSON.parse(
    await run("skopeo", "inspect", "--config", "--tls-verify=false", `docker://${image}`),
  ) as { readonly rootfs: { readonly diff_ids: readonly string[] } };
  const [diffId = ""] = config.rootfs.diff_ids;
  const unpacked = await readFile(join(place, diffId.slice("sha256:".length)));
  expect(`sha256:${createHash("sha256").update(unpacked).digest("hex")}`).toBe(diffId);
  expect(unpacked.subarray(257, 262).toString()).toBe("ustar");
});
