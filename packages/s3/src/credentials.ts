import type { S3Client } from "@aws-sdk/client-s3";
import { failureOf } from "./failure.ts";

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
  /** The failure without the secrets, wherever a server or a proxy put them into what it answered. */
  withoutSecrets(failure: unknown): Promise<unknown>;
}

/** The part of the SDK's provider that its types leave out. */
type Provider = (options?: { readonly forceRefresh?: boolean }) => Promise<{
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
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
    async withoutSecrets(failure) {
      if (!(failure instanceof Error)) return failure;
      // who could not be signed for has no secrets yet
      const account = await provider().catch(() => undefined);
      return account === undefined ? failure : cleaned(failure, account);
    },
  };
}

function cleaned(error: Error, account: Awaited<ReturnType<Provider>>): Error {
  const secrets = [account.secretAccessKey, account.sessionToken ?? ""].filter((one) => one !== "");
  const forms = secrets.flatMap((one) => [
    one,
    encodeURIComponent(one),
    Buffer.from(one).toString("base64"),
  ]);
  const isClean = (text: string): boolean => !forms.some((form) => text.includes(form));
  const { status, code } = failureOf(error);
  if (isClean(`${error.message} ${error.stack} ${code}`)) return error;
  const hide = (text: string): string =>
    forms.reduce((left, form) => left.replaceAll(form, "[secret]"), text);
  // another one: what hangs on the first may hold them too
  return Object.assign(new Error(hide(error.message)), {
    code: hide(code),
    $response: { statusCode: status },
  });
}

/** Tells whether a server said that credentials have ended. */
export function areEnded(code: string): boolean {
  return /^(?:ExpiredToken.*|TokenRefreshRequired|RequestExpired)$/.test(code);
}
