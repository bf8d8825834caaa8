import { loadPeer } from "../peer.ts";

/** Signs a statement and has that witnessed. */
interface Builder {
  create(statement: { readonly data: Buffer; readonly type: string }): Promise<unknown>;
}

interface Patience {
  /** Milliseconds for one request. */
  readonly timeout: number;
  readonly retry: { readonly retries: number };
}

/** Says who signs. */
export interface Identity {
  getToken(): Promise<string>;
}

/** What is used of `@sigstore/sign` 5; its own types need packages that it does not bring. */
interface SignModule {
  readonly CIContextProvider: new (audience: string) => Identity;
  readonly FulcioSigner: new (
    options: Patience & { readonly identityProvider: Identity; readonly fulcioBaseURL?: string },
  ) => object;
  readonly RekorWitness: new (options: Patience & { readonly rekorBaseURL?: string }) => object;
  readonly DSSEBundleBuilder: new (options: {
    readonly signer: object;
    readonly witnesses: readonly object[];
  }) => Builder;
}

/** What is used of `@sigstore/bundle` 5. */
interface BundleModule {
  bundleToJSON(bundle: unknown): { readonly mediaType: string };
}

/** The packages of sigstore that sign. */
export type Sigstore = SignModule & BundleModule;

const SIGN = "@sigstore/sign";
const BUNDLE = "@sigstore/bundle";

/**
 * Loads what signs without a key, here and not before.
 *
 * @throws {LockstepError} `REGISTRY_PEER`
 */
export async function loadSigstore(): Promise<Sigstore> {
  const purpose = "signing without a key";
  const sign = await loadPeer({ name: SIGN, purpose }, () => import(SIGN) as Promise<SignModule>);
  const bundle = await loadPeer(
    { name: BUNDLE, purpose },
    () => import(BUNDLE) as Promise<BundleModule>,
  );
  const { CIContextProvider, DSSEBundleBuilder, FulcioSigner, RekorWitness } = sign;
  const { bundleToJSON } = bundle;
  return { CIContextProvider, DSSEBundleBuilder, FulcioSigner, RekorWitness, bundleToJSON };
}
