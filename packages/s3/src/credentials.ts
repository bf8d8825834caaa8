import type { S3Client } from "@aws-sdk/client-s3";

/** Who signs the requests of a client, and for how long. */
export interface SigningAccount {
  /**
   * Fetches new credentials where they come from a provider, unless somebody did since the request was sent that
   * was refused; all that ask at once share one look.
   *
   * @param sentAt - Milliseconds of {@link performance}.
   */
  refresh(sentAt: number): Promise<void>;
  /** Milliseconds until they end, after the provider had the chance to renew them; undefined where nobody says. */
  leftMs(): Promise<number | undefined>;
}

/** The part of the SDK's provider that its types leave out. */
type Provider = (options?: { readonly forceRefresh?: boolean }) => Promise<{
  readonly expiration?: Date;
}>;

/** Makes the account of a client. Asks nobody yet. */
export function signingAccount({ config }: S3Client): SigningAccount {
  const provider = config.credentials as Provider;
  let refreshing: Promise<void> | undefined;
  let freshSince = -Infinity;
  const fetchAnew = async (): Promise<void> => {
    await provider({ forceRefresh: true });
    freshSince = performance.now();
  };
  return {
    async refresh(sentAt) {
      if (sentAt < freshSince) return;
      refreshing ??= fetchAnew().finally(() => {
        refreshing = undefined;
      });
      await refreshing;
    },
    async leftMs() {
      const { expiration } = await provider();
      return expiration === undefined ? undefined : expiration.getTime() - Date.now();
    },
  };
}

/** Tells whether a server said that credentials have ended. */
export function areEnded(code: string): boolean {
  return /^(?:ExpiredToken.*|TokenRefreshRequired|RequestExpired)$/.test(code);
}
