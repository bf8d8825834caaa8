import { execFile } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { secret } from "@lockstep/plugin";
import { type SandboxRegistry, startSandboxRegistry } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RegistryOptions } from "../src/index.ts";
import { digestIn, filesOf, ONE, Shop, TWO } from "./world.ts";

const KEY = generateKeyPairSync("ec", { namedCurve: "P-256" });
const PEM = KEY.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

let server: SandboxRegistry;
beforeEach(async () => {
  server = await startSandboxRegistry();
});
afterEach(async () => server[Symbol.asyncDispose]());

function open(options: Partial<RegistryOptions> = {}): Promise<Shop> {
  return Shop.open({ repository: `${server.host}/acme/shop`, ...options }, { env: { KEY: PEM } });
}

interface Manifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: { readonly digest: string };
  readonly layers: readonly {
    readonly digest: string;
    readonly annotations: Record<string, string>;
  }[];
  readonly manifests: readonly { readonly digest: string; readonly artifactType: string }[];
}

/** As an independent client fetches it. */
async function fetched(reference: string, name = "acme/shop"): Promise<Manifest> {
  const answer = await fetch(`http://${server.host}/v2/${name}/manifests/${reference}`, {
    headers: {
      accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
    },
  });
  return (await answer.json()) as Manifest;
}

async function blob(digest: string): Promise<Buffer> {
  const answer = await fetch(`http://${server.host}/v2/acme/shop/blobs/${digest}`);
  return Buffer.from(await answer.arrayBuffer());
}

describe.each([true, false])(
  "documents, where the registry has a referrers API: %s",
  (referrers) => {
    it("are found by those who look for what goes with an image", async () => {
      server.quirks = { referrers };
      await using shop = await open({ attach: { sbom: true, provenance: true } });
      const { outputs } = await shop.deploy({ ...ONE, commit: "c".repeat(40) }, filesOf("one"));
      const digest = digestIn(outputs);

      const list = referrers
        ? ((await (
            await fetch(`http://${server.host}/v2/acme/shop/referrers/${digest}`)
          ).json()) as Manifest)
        : await fetched(digest.replace(":", "-"));
      expect(list.manifests.map(({ artifactType }) => artifactType)).toEqual([
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
      ]);
      const [sbom, provenance] = await Promise.all(
        list.manifests.map(async (one) => {
          const manifest = await fetched(one.digest);
          expect(manifest.subject?.digest).toBe(digest);
          return JSON.parse((await blob(manifest.layers[0]?.digest ?? "")).toString()) as Record<
            string,
            unknown
          >;
        }),
      );
      expect(sbom?.["components"]).toContainEqual({
        type: "library",
        "bom-ref": "pkg:npm/dep@1.2.3",
        name: "dep",
        version: "1.2.3",
        purl: "pkg:npm/dep@1.2.3",
      });
      expect(provenance).toMatchObject({
        subject: [{ digest: { sha256: digest.slice("sha256:".length) } }],
        predicate: { buildDefinition: { externalParameters: { commit: "c".repeat(40) } } },
      });
    });

    it("go along when an image is promoted", async () => {
      server.quirks = { referrers };
      await using shop = await open({ attach: { sbom: true } });
      const { outputs } = await shop.deploy(ONE, filesOf("one"));
      const digest = digestIn(outputs);
      await using production = await Shop.open({
        repository: `${server.host}/acme/production`,
        source: { image: `${server.host}/acme/shop@${digest}` },
      });
      await production.deploy(TWO);

      const { manifests } = server.store.repository("acme/production");
      const about = [...manifests.values()].filter(
        ({ bytes }) => bytes.includes('"subject"') && bytes.includes(digest),
      );
      expect(about).toHaveLength(1);
    });
  },
);

describe("a list of what goes with an image", () => {
  /** Something with annotations that refers to an image, as other tools push it. */
  function pushedReferrer(subject: string, artifactType?: string): string {
    const config = { mediaType: "application/vnd.theirs.config+json", size: 2, digest: EMPTY };
    shopStore().blobs.set(EMPTY, Buffer.from("{}"));
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      ...(artifactType === undefined ? {} : { artifactType }),
      config,
      layers: [],
      subject: {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: subject,
        size: 1,
      },
      annotations: { "org.example.predicate": "kept", "org.example.second": "too" },
    });
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
    shopStore().manifests.set(digest, {
      bytes: Buffer.from(body),
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    return digest;
  }
  const EMPTY = `sha256:${createHash("sha256").update("{}").digest("hex")}`;
  const shopStore = (): ReturnType<SandboxRegistry["store"]["repository"]> =>
    server.store.repository("acme/shop");

  it.each([
    ["its type", "application/x-theirs", "application/x-theirs"],
    ["the type of its config where it has none", undefined, "application/vnd.theirs.config+json"],
  ])("names for each %s, with all annotations", async (_name, type, shown) => {
    await using shop = await open();
    const { outputs } = await shop.deploy(ONE, filesOf("one"));
    const digest = digestIn(outputs);
    const theirs = pushedReferrer(digest, type);
    const list = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ mediaType: foreign.mediaType, digest: theirs, size: 1 }],
      }),
    );
    const tag = digest.replace(":", "-");
    shopStore().manifests.set(`sha256:${"c".repeat(64)}`, {
      bytes: list,
      mediaType: "application/vnd.oci.image.index.v1+json",
    });
    shopStore().tags.set(tag, `sha256:${"c".repeat(64)}`);
    await using production = await Shop.open({
      repository: `${server.host}/acme/production`,
      source: { image: `${server.host}/acme/shop@${digest}` },
    });
    await production.deploy(TWO);

    expect(await fetched(tag, "acme/production")).toMatchObject({
      manifests: [
        {
          digest: theirs,
          artifactType: shown,
          annotations: { "org.example.predicate": "kept", "org.example.second": "too" },
        },
      ],
    });
  });

  it("is begun where the registry answers with the image itself for it", async () => {
    await using shop = await open({ attach: { sbom: true } });
    await shop.build(filesOf("one"));
    const plan = await shop.plan(ONE);
    const digest = digestIn(plan.outputs);
    const tag = digest.replace(":", "-");
    let asked = 0;
    server.fault = ({ method, path }, { response }) => {
      const isList = method === "GET" && path.endsWith(`/manifests/${tag}`);
      if (!isList || shopStore().tags.has(tag)) return false;
      asked += 1;
      const { bytes, mediaType } = shopStore().manifests.get(digest) ?? {};
      response.writeHead(200, { "content-type": mediaType ?? "" }).end(bytes);
      return true;
    };

    await shop.apply(shop.stepOf(plan, "stage"));

    expect(asked).toBe(1);
    const { manifests, ...list } = await fetched(tag);
    expect(list.mediaType).toBe("application/vnd.oci.image.index.v1+json");
    expect(manifests.map(({ artifactType }) => artifactType)).toEqual([
      "application/vnd.cyclonedx+json",
    ]);
  });

  const foreign = {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: `sha256:${"b".repeat(64)}`,
    size: 2,
    artifactType: "application/x-theirs",
  };

  it("keeps what others have put there", async () => {
    await using shop = await open({ attach: { sbom: true } });
    await shop.build(filesOf("one"));
    const plan = await shop.plan(ONE);
    const tag = digestIn(plan.outputs).replace(":", "-");
    const repository = server.store.repository("acme/shop");
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [foreign] }));
    repository.manifests.set(foreign.digest, {
      bytes: Buffer.from("{}"),
      mediaType: foreign.mediaType,
    });
    repository.manifests.set(`sha256:${"c".repeat(64)}`, {
      bytes,
      mediaType: "application/vnd.oci.image.index.v1+json",
    });
    repository.tags.set(tag, `sha256:${"c".repeat(64)}`);

    await shop.apply(shop.stepOf(plan, "stage"));

    const { manifests } = await fetched(tag);
    expect(manifests.map(({ artifactType }) => artifactType)).toEqual([
      "application/x-theirs",
      "application/vnd.cyclonedx+json",
    ]);
  });

  it("is merged again when somebody else writes it at the same time", async () => {
    await using shop = await open({ attach: { sbom: true } });
    await shop.build(filesOf("one"));
    const plan = await shop.plan(ONE);
    const tag = digestIn(plan.outputs).replace(":", "-");
    const repository = server.store.repository("acme/shop");
    repository.manifests.set(foreign.digest, {
      bytes: Buffer.from("{}"),
      mediaType: foreign.mediaType,
    });
    let races = 1;
    server.fault = ({ method, path }) => {
      if (
        method !== "GET" ||
        !path.endsWith(`/manifests/${tag}`) ||
        !repository.tags.has(tag) ||
        races === 0
      )
        return false;
      races -= 1;
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [foreign] }));
      repository.manifests.set(`sha256:${"d".repeat(64)}`, {
        bytes,
        mediaType: "application/vnd.oci.image.index.v1+json",
      });
      repository.tags.set(tag, `sha256:${"d".repeat(64)}`);
      return false;
    };

    await shop.apply(shop.stepOf(plan, "stage"));

    expect(races).toBe(0);
    expect((await fetched(tag)).manifests).toHaveLength(2);
  });
});

describe("a signature", () => {
  /** What `cosign verify --key` does with openssl. */
  async function verified(folder: string, payload: Buffer, key: string): Promise<boolean> {
    const manifest = await signature();
    const text = manifest.layers[0]?.annotations["dev.cosignproject.cosign/signature"] ?? "";
    await writeFile(join(folder, "payload"), payload);
    await writeFile(join(folder, "signature"), Buffer.from(text, "base64"));
    await writeFile(join(folder, "key.pem"), key);
    const words = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "payload"];
    return promisify(execFile)("openssl", words, { cwd: folder }).then(
      ({ stdout }) => stdout.includes("Verified OK"),
      () => false,
    );
  }

  function signature(): Promise<Manifest> {
    const digest = server.store.tags("acme/shop")["latest"] ?? "";
    return fetched(`${digest.replace(":", "-")}.sig`);
  }

  it("is verified by openssl; with another key or another payload it is not", async () => {
    await using shop = await open({ attach: { signingKey: secret("KEY") } });
    const { outputs } = await shop.deploy(ONE, filesOf("one"));
    const payload = await blob((await signature()).layers[0]?.digest ?? "");
    const ours = createPublicKey(KEY.publicKey.export({ type: "spki", format: "pem" }))
      .export({ type: "spki", format: "pem" })
      .toString();
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" })
      .publicKey.export({ type: "spki", format: "pem" })
      .toString();
    const altered = Buffer.from(payload.toString().replace(/[0-9a-f]"/, 'x"'));

    expect(JSON.parse(payload.toString())).toMatchObject({
      critical: { image: { "docker-manifest-digest": digestIn(outputs) } },
    });
    expect(await verified(shop.folder, payload, ours)).toBe(true);
    expect(await verified(shop.folder, payload, other)).toBe(false);
    expect(await verified(shop.folder, altered, ours)).toBe(false);
  });

  it("is made once for a key, however often the image is staged", async () => {
    await using shop = await open({ attach: { signingKey: secret("KEY") } });
    await shop.build(filesOf("one"));
    const plan = await shop.plan(ONE);
    await shop.apply(shop.stepOf(plan, "stage"));
    await shop.apply(shop.stepOf(plan, "stage"));
    await shop.apply(shop.stepOf(plan, "activate"));

    expect((await signature()).layers).toHaveLength(1);
  });

  it("with a key that nobody verifies is refused without showing the key", async () => {
    await using shop = await open({ attach: { signingKey: secret("KEY") } });
    shop.env["KEY"] = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----";

    const failure: unknown = await shop
      .deploy(ONE, filesOf("one"))
      .catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: "REGISTRY_SIGNING" });
    expect(String(failure)).not.toContain("canary");
  });
});
