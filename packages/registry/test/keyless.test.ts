import { execFile } from "node:child_process";
import { createHash, generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { secret } from "@lockstep/plugin";
import { type SandboxRegistry, startSandboxRegistry } from "@lockstep/testkit";
import { bundleFromJSON, type SerializedBundle } from "@sigstore/bundle";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { digestIn, filesOf, ONE, Shop, TWO } from "./world.ts";

const TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const WHO = "https://github.com/acme/shop/.github/workflows/release.yml@refs/heads/main";

/** What is used of the doubles of Fulcio and Rekor that sigstore itself tests with. */
interface Mock {
  initializeCTLog(pair: KeyPairKeyObjectResult): Promise<CtLog>;
  initializeCA(pair: KeyPairKeyObjectResult, log: CtLog): Promise<Authority>;
  initializeTLog(url: string, pair: KeyPairKeyObjectResult): Promise<Log>;
  fulcioHandler(authority: Authority): Handler;
  rekorHandler(log: Log): Handler;
}
interface CtLog {
  readonly publicKey: Buffer;
  readonly logID: Uint8Array;
}
interface Authority {
  readonly rootCertificate: Uint8Array;
}
interface Log {
  readonly publicKey: Buffer;
}
interface Handler {
  readonly path: string;
  fn(body: string): Promise<{
    readonly statusCode: number;
    readonly response: string;
    readonly contentType?: string;
  }>;
}

let services: Server;
let base: string;
let verifier: Verifier;
let asked: string[];
let broken: string | undefined;
let registry: SandboxRegistry;

beforeAll(async () => {
  services = createServer();
  services.listen(0, "127.0.0.1");
  await once(services, "listening");
  base = `http://127.0.0.1:${(services.address() as AddressInfo).port}`;
  const name = "@sigstore/mock"; // its types need packages that it does not bring
  const mock = (await import(name)) as Mock;
  const pair = (): KeyPairKeyObjectResult => generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificates = await mock.initializeCTLog(pair());
  const authority = await mock.initializeCA(pair(), certificates);
  const log = await mock.initializeTLog(base, pair());
  const handlers = [mock.fulcioHandler(authority), mock.rekorHandler(log)];
  services.on("request", (request, response) => {
    const answer = async (): Promise<void> => {
      asked.push(request.url ?? "");
      const handler = handlers.find(({ path }) => path === request.url);
      const given = await handler?.fn(asLogged(await text(request)));
      const isBroken = given === undefined || broken === request.url;
      response.writeHead(isBroken ? 400 : given.statusCode, {
        "content-type": given?.contentType ?? "text/plain",
      });
      response.end(isBroken ? "canary-answer" : given.response);
    };
    answer().catch((error: unknown) => response.destroy(error as Error));
  });
  verifier = new Verifier(trustIn(authority, certificates, log));
});
afterAll(() => {
  services.closeAllConnections();
  services.close();
});
beforeEach(async () => {
  asked = [];
  broken = undefined;
  registry = await startSandboxRegistry({ quirks: { referrers: true } });
});
afterEach(async () => registry[Symbol.asyncDispose]());

/**
 * The log keeps digests and signatures of an envelope, not the envelope; the double alone would keep what it is sent.
 *
 * @see Rekor, "pkg/types/dsse/v0.0.1/dsse_v0_0_1_schema.json"
 */
function asLogged(body: string): string {
  const { kind, apiVersion, spec } = JSON.parse(body) as {
    readonly kind?: string;
    readonly apiVersion?: string;
    readonly spec?: {
      readonly proposedContent: { readonly envelope: string; readonly verifiers: string[] };
    };
  };
  if (kind !== "dsse" || spec === undefined) return body;
  const { envelope, verifiers } = spec.proposedContent;
  const { payload, signatures } = JSON.parse(envelope) as {
    readonly payload: string;
    readonly signatures: readonly { readonly sig: string }[];
  };
  const hashOf = (bytes: string | Buffer): object => ({
    algorithm: "sha256",
    value: createHash("sha256").update(bytes).digest("hex"),
  });
  return JSON.stringify({
    kind,
    apiVersion,
    spec: {
      envelopeHash: hashOf(envelope),
      payloadHash: hashOf(Buffer.from(payload, "base64")),
      signatures: signatures.map(({ sig }, index) => ({
        signature: sig,
        verifier: verifiers[index],
      })),
    },
  });
}

/** What everybody knows of the services, as a trusted root. */
function trustIn(
  { rootCertificate }: Authority,
  certificates: CtLog,
  log: Log,
): ReturnType<typeof toTrustMaterial> {
  const validFor = { start: new Date(0) };
  const logOf = (key: Buffer, id: Uint8Array): object => ({
    baseUrl: base,
    hashAlgorithm: 1,
    publicKey: { rawBytes: key, keyDetails: 5, validFor },
    logId: { keyId: Buffer.from(id) },
  });
  const sum = createHash("sha256").update(log.publicKey).digest();
  const root: unknown = {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [logOf(log.publicKey, sum)],
    ctlogs: [logOf(certificates.publicKey, bytesOf(certificates.logID))],
    certificateAuthorities: [
      {
        subject: { commonName: "sigstore", organization: "sigstore.mock" },
        uri: base,
        certChain: { certificates: [{ rawBytes: bytesOf(rootCertificate) }] },
        validFor,
      },
    ],
    timestampAuthorities: [],
  };
  return toTrustMaterial(root as Parameters<typeof toTrustMaterial>[0]);
}

function bytesOf(view: Uint8Array): Buffer {
  return Buffer.from(view.buffer as ArrayBuffer);
}

/** A token as an identity provider gives it; nobody here checks its signature. */
const TOKEN = [{ alg: "none" }, { iss: "https://issuer.example.com", sub: WHO, aud: "sigstore" }]
  .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
  .concat("canary")
  .join(".");

function open(): Promise<Shop> {
  const keyless = { identityToken: secret("TOKEN"), fulcio: base, rekor: base };
  return Shop.open(
    { repository: `${registry.host}/acme/shop`, attach: { keyless } },
    { env: { TOKEN } },
  );
}

interface Manifest {
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly { readonly digest: string; readonly mediaType: string }[];
  readonly manifests: readonly { readonly digest: string; readonly artifactType: string }[];
}

/** The bundles that go with an image, as an independent client finds them. */
async function bundlesOf(digest: string): Promise<readonly SerializedBundle[]> {
  const get = async (path: string): Promise<Response> =>
    fetch(`http://${registry.host}/v2/acme/shop/${path}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
  const list = (await (await get(`referrers/${digest}`)).json()) as Manifest;
  return Promise.all(
    list.manifests
      .filter(({ artifactType }) => artifactType === TYPE)
      .map(async (one) => {
        const manifest = (await (await get(`manifests/${one.digest}`)).json()) as Manifest;
        return (await (
          await get(`blobs/${manifest.layers[0]?.digest}`)
        ).json()) as SerializedBundle;
      }),
  );
}

function verify(bundle: SerializedBundle): string | undefined {
  return verifier.verify(toSignedEntity(bundleFromJSON(bundle))).identity?.subjectAlternativeName;
}

describe("a signature without a key", () => {
  it("is a bundle that goes with the image, and that the verifier of sigstore accepts", async () => {
    await using shop = await open();
    const plan = await shop.deploy(ONE, filesOf("one"));
    const digest = digestIn(plan.outputs);
    const [bundle, ...others] = await bundlesOf(digest);
    if (bundle?.dsseEnvelope === undefined) throw new Error("there is no bundle with an envelope");

    expect(others).toEqual([]);
    expect(bundle.mediaType).toBe(TYPE);
    expect(verify(bundle)).toBe(WHO);
    expect(JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, "base64").toString())).toEqual({
      _type: "https://in-toto.io/Statement/v1",
      subject: [
        {
          name: `${registry.host}/acme/shop`,
          digest: { sha256: digest.slice("sha256:".length) },
        },
      ],
      predicateType: "https://sigstore.dev/cosign/sign/v1",
      predicate: {},
    });
    expect(JSON.stringify([plan, shop.lines])).not.toContain(TOKEN);
  });

  it("of another image, or by another certificate, is not accepted", async () => {
    await using shop = await open();
    const digests: string[] = [];
    for (const [release, version] of [
      [ONE, "one"],
      [TWO, "two"],
    ] as const) {
      digests.push(digestIn((await shop.deploy(release, filesOf(version))).outputs));
    }
    const [one, two] = (await Promise.all(digests.map(bundlesOf))).flat();
    if (one?.dsseEnvelope === undefined || two?.dsseEnvelope === undefined) {
      throw new Error("a bundle is missing");
    }

    const { payload } = two.dsseEnvelope;
    expect(() => verify({ ...one, dsseEnvelope: { ...one.dsseEnvelope, payload } })).toThrow(
      "DSSE payload hash mismatch",
    );
    expect(() => verify({ ...one, verificationMaterial: two.verificationMaterial })).toThrow(
      "tlog entry signature mismatch",
    );
    expect(verify(one)).toBe(WHO);
  });

  it("is verified by openssl with the key of its certificate", async () => {
    await using shop = await open();
    const { outputs } = await shop.deploy(ONE, filesOf("one"));
    const [bundle] = await bundlesOf(digestIn(outputs));
    const envelope = bundle?.dsseEnvelope;
    const body = Buffer.from(envelope?.payload ?? "", "base64");
    const type = envelope?.payloadType ?? "";
    // DSSE protocol, "Pre-Authentication Encoding"
    const signed = Buffer.concat([
      Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `),
      body,
    ]);
    const at = (name: string): string => join(shop.folder, name);
    const certificate = bundle?.verificationMaterial.certificate?.rawBytes ?? "";
    await writeFile(at("certificate"), Buffer.from(certificate, "base64"));
    await writeFile(at("signed"), signed);
    await writeFile(at("other"), Buffer.concat([signed, Buffer.from(" ")]));
    await writeFile(at("signature"), Buffer.from(envelope?.signatures[0]?.sig ?? "", "base64"));
    const openssl = async (...words: readonly string[]): Promise<string> =>
      (await promisify(execFile)("openssl", words)).stdout;
    await writeFile(
      at("key"),
      await openssl("x509", "-inform", "der", "-in", at("certificate"), "-pubkey", "-noout"),
    );
    const check = (name: string): Promise<string> =>
      openssl("dgst", "-sha256", "-verify", at("key"), "-signature", at("signature"), at(name));

    await expect(check("signed")).resolves.toContain("Verified OK");
    await expect(check("other")).rejects.toThrow("openssl dgst");
  });

  it("is made once for a release, however often it is staged", async () => {
    await using shop = await open();
    const plan = await shop.deploy(ONE, filesOf("one"));
    const before = asked.length;
    await shop.apply(shop.stepOf(plan, "stage"));

    expect(asked).toHaveLength(before);
    expect(await bundlesOf(digestIn(plan.outputs))).toHaveLength(1);
  });

  it.each(["/api/v2/signingCert", "/api/v1/log/entries"])(
    "that %s refuses ends the push before a tag moves, and shows nothing of the answer",
    async (path) => {
      broken = path;
      await using shop = await open();

      await expect(shop.deploy(ONE, filesOf("one"))).rejects.toMatchObject({
        code: "REGISTRY_SIGNING",
        message: expect.stringMatching(
          /^The image could not be signed without a key: [A-Z_]+\.$/,
        ) as string,
      });
      expect(registry.store.tags("acme/shop")).toEqual({});
    },
  );
});
