import type { WriteContext } from "@lockstep/plugin";
import { referrersOf } from "../client/referrers.ts";
import type { RegistryConnection } from "../connection.ts";
import { keylessFailed } from "../errors.ts";
import { parseObject, type RawManifest } from "../image/model.ts";
import type { KeylessOptions } from "../options.ts";
import { nameOf } from "../reference.ts";
import { attachDocument } from "./document.ts";
import { type Identity, loadSigstore, type Sigstore } from "./sigstore.ts";

const STATEMENT = "application/vnd.in-toto+json";
const PREDICATE = "https://sigstore.dev/cosign/sign/v1";
/** What our signature is found by when the same release is staged again. */
const RELEASE = "dev.lockstep.release";
/** With the certificate authority and the log. */
const PATIENCE = { timeout: 30_000, retry: { retries: 2 } };

/**
 * Signs an image with a certificate that lives for minutes, notes that in a public log, and lets the bundle
 * of both refer to the image, as `cosign sign` does. Once for each release.
 *
 * @throws {LockstepError} `REGISTRY_SIGNING`, `REGISTRY_PEER`
 * @see cosign, "Cosign Bundle Specification"; in-toto, "Statement", v1
 */
export async function signKeyless(
  ctx: WriteContext<RegistryConnection>,
  image: RawManifest,
  options: KeylessOptions,
): Promise<void> {
  const { repository } = ctx.connection.settings;
  const known = await referrersOf(ctx.connection.asking(ctx), repository, image.digest);
  if (known.some((referrer) => isOf(referrer, ctx.release.id))) return;

  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: nameOf(repository), digest: { sha256: image.digest.slice("sha256:".length) } },
    ],
    predicateType: PREDICATE,
    predicate: {},
  };
  const bundle = await sign(ctx, Buffer.from(JSON.stringify(statement)), options);
  await attachDocument(ctx, image, {
    type: bundle.mediaType,
    document: bundle,
    annotations: {
      "dev.sigstore.bundle.content": "dsse-envelope",
      "dev.sigstore.bundle.predicateType": PREDICATE,
      [RELEASE]: ctx.release.id,
    },
  });
}

function isOf(referrer: RawManifest, release: string): boolean {
  const annotations = parseObject(referrer.bytes)?.["annotations"] as
    | Readonly<Record<string, unknown>>
    | undefined;
  return (
    annotations?.["dev.sigstore.bundle.predicateType"] === PREDICATE &&
    annotations[RELEASE] === release
  );
}

async function sign(
  ctx: WriteContext<RegistryConnection>,
  data: Buffer,
  options: KeylessOptions,
): Promise<{ readonly mediaType: string }> {
  const sigstore = await loadSigstore();
  const builder = await builderOf(ctx, sigstore, options);
  try {
    const bundle = await builder.create({ data, type: STATEMENT });
    ctx.signal.throwIfAborted();
    return sigstore.bundleToJSON(bundle);
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw keylessFailed(error);
  }
}

async function builderOf(
  ctx: WriteContext<RegistryConnection>,
  { CIContextProvider, DSSEBundleBuilder, FulcioSigner, RekorWitness }: Sigstore,
  { identityToken, fulcio, rekor }: KeylessOptions,
): Promise<InstanceType<Sigstore["DSSEBundleBuilder"]>> {
  const token = identityToken === undefined ? undefined : await ctx.secret(identityToken);
  const identityProvider: Identity =
    token === undefined
      ? new CIContextProvider("sigstore")
      : { getToken: () => Promise.resolve(token) };
  const signer = new FulcioSigner({
    ...PATIENCE,
    identityProvider,
    ...(fulcio === undefined ? {} : { fulcioBaseURL: fulcio }),
  });
  const log = rekor === undefined ? {} : { rekorBaseURL: rekor };
  return new DSSEBundleBuilder({ signer, witnesses: [new RekorWitness({ ...PATIENCE, ...log })] });
}
