import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { canonicalJson, type Secret, type WriteContext } from "@lockstep/plugin";
import { pushBlob, readBlob } from "../client/blobs.ts";
import { getManifest, putManifest } from "../client/manifests.ts";
import type { RegistryConnection } from "../connection.ts";
import { digestOf } from "../digest.ts";
import { contentWrong, signingFailed } from "../errors.ts";
import { writtenManifest } from "../image/image.ts";
import { type Descriptor, parseManifest, type RawManifest } from "../image/model.ts";
import { OCI } from "../media-types.ts";
import { nameOf } from "../reference.ts";

const PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE = "dev.cosignproject.cosign/signature";

/**
 * Signs an image where `cosign verify --key` looks for it: behind the tag `sha256-<hex>.sig`. Signatures
 * of others stay; one of this key that is there already is enough.
 *
 * @throws {LockstepError} `REGISTRY_SIGNING`
 * @see cosign, "Signature Specification", sections "Storage" and "Payloads"
 */
export async function signImage(
  ctx: WriteContext<RegistryConnection>,
  image: RawManifest,
  secret: Secret,
): Promise<void> {
  const key = keyOf(secret.name, await ctx.secret(secret));
  const { repository } = ctx.connection.settings;
  const asking = ctx.connection.asking(ctx);
  const payload = payloadOf(nameOf(repository), image.digest);
  const tag = `${image.digest.replace(":", "-")}.sig`;
  const raw = await getManifest(asking, repository, tag);
  const known = raw === undefined ? undefined : parseManifest(raw);
  const layers = known?.kind === "image" ? known.layers : [];
  if (layers.some((layer) => isBy(key, payload, layer))) return;

  const signature = sign("sha256", payload, key).toString("base64");
  const layer: Descriptor = {
    mediaType: PAYLOAD_TYPE,
    digest: digestOf(payload),
    size: payload.length,
    annotations: { [SIGNATURE]: signature },
  };
  const all = [...layers, layer];
  const config = Buffer.from(
    canonicalJson({
      architecture: "",
      os: "",
      config: {},
      rootfs: { type: "layers", diff_ids: all.map(({ digest }) => digest) },
    }),
  );
  for (const bytes of [payload, config]) {
    const blob = {
      digest: digestOf(bytes),
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    };
    await pushBlob(asking, blob, { repository });
  }
  const manifest = writtenManifest(OCI.manifest, {
    config: { mediaType: OCI.config, digest: digestOf(config), size: config.length },
    layers: all,
  });
  const put = await putManifest(asking, { repository, manifest, reference: tag });
  if ("missing" in put) throw contentWrong("A signature", put.missing, "nothing");
  await readBlob(asking, { repository, digest: layer.digest }, payload.length);
}

/** @see containers/image, "atomic-signature.md", section "JSON data format" */
function payloadOf(name: string, digest: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { "docker-reference": name },
        image: { "docker-manifest-digest": digest },
        type: "cosign container image signature",
      },
      optional: null,
    }),
  );
}

function isBy(key: KeyObject, payload: Buffer, { digest, annotations = {} }: Descriptor): boolean {
  const signature = annotations[SIGNATURE];
  if (digest !== digestOf(payload) || signature === undefined) return false;
  return verify("sha256", payload, createPublicKey(key), Buffer.from(signature, "base64"));
}

function keyOf(name: string, pem: string): KeyObject {
  let key;
  try {
    key = createPrivateKey(pem);
  } catch {
    // the parser's words may quote the key
    throw signingFailed(name, "is no unencrypted private key in PEM");
  }
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== "ec" || namedCurve !== "prime256v1") {
    throw signingFailed(name, `is of the kind ${key.asymmetricKeyType}, ECDSA P-256 is needed`);
  }
  return key;
}
