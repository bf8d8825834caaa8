import type { Secret, TargetContext } from "@lockstep/plugin";

/** How somebody proves who they are; `undefined` stands for nobody. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A token that buys other tokens. */
  | { readonly kind: "identity"; readonly username: string; readonly token: string }
  /** A token that is sent as it is. */
  | { readonly kind: "bearer"; readonly token: string };

/** Credentials with where they come from, which is never secret. */
export interface Found {
  readonly credentials: Credentials | undefined;
  /** `~/.docker/config.json`, `docker-credential-pass`, `the config`, `nobody`. */
  readonly origin: string;
  /** Where nobody had left any: files, in the order they were looked at. */
  readonly searched?: readonly string[];
}

/** Amazon ECR, asked for a login with the AWS credentials of this machine. */
export interface EcrAuth {
  /** `eu-central-1`; default: the one in the name of the registry. */
  readonly region?: string;
  /** Where the API is; default `https://api.ecr.<region>.amazonaws.com`. */
  readonly endpoint?: string;
}

/** What a user wrote as `auth`. */
export type WrittenAuth =
  /** The files of docker and podman, and the helpers they name. */
  | "docker"
  /** Never log in. */
  | "anonymous"
  /** The token in `GITHUB_TOKEN`, for ghcr.io. */
  | "github"
  /** A password from Amazon ECR, for the AWS credentials of this machine. */
  | { readonly ecr: EcrAuth }
  | { readonly username: string; readonly password: Secret }
  | { readonly identityToken: Secret }
  | { readonly token: Secret };

/** Reads the secrets of credentials that stand in the config. */
export async function writtenCredentials(
  auth: Exclude<WrittenAuth, string | { readonly ecr: EcrAuth }>,
  ctx: TargetContext,
): Promise<Found> {
  const origin = "the config";
  if ("username" in auth) {
    const password = await ctx.secret(auth.password);
    mask(ctx, auth.username, password);
    return { origin, credentials: { kind: "password", username: auth.username, password } };
  }
  if ("identityToken" in auth) {
    const token = await ctx.secret(auth.identityToken);
    return { origin, credentials: { kind: "identity", username: "<token>", token } };
  }
  return { origin, credentials: { kind: "bearer", token: await ctx.secret(auth.token) } };
}

/** Blanks out a password, and the form in which it is sent. */
export function mask(ctx: TargetContext, username: string, password: string): void {
  ctx.mask(password);
  ctx.mask(basic(username, password));
}

/**
 * What stands after `Basic`.
 *
 * @see RFC 7617, section 2
 */
export function basic(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString("base64");
}
