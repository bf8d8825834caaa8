import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import type { Secret } from "@lockstep/plugin";
import type { BucketSettings } from "./bucket-options.ts";

/** What opening a bucket may see of this machine. */
export interface BucketSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  secret(wanted: Secret): Promise<string>;
  random(): number;
}

/** How hard a bucket is worked. */
export interface BucketLimits {
  /** Most requests under way, from 1. */
  readonly inFlight: number;
  /** Times a request is sent at most, from 1. */
  readonly tries: number;
  /** First pause between two tries, in milliseconds. */
  readonly backoffMs: number;
  /** Milliseconds in which nothing comes or goes until a request counts as lost. */
  readonly timeoutMs: number;
  /** Milliseconds for all tries of one request together. */
  readonly deadlineMs: number;
}

/** What is fitting where nobody says otherwise. */
export const usualLimits: BucketLimits = {
  inFlight: 192,
  tries: 12,
  backoffMs: 100,
  timeoutMs: 30_000,
  deadlineMs: 600_000,
};

/** The SDK, and a client of it for one bucket. */
export interface AwsClient {
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly client: S3Client;
}

/** Loads the SDK, here and not before, and makes a client. Opens no socket. */
export async function openClient(
  settings: BucketSettings,
  surroundings: BucketSurroundings,
  limits: BucketLimits,
): Promise<AwsClient> {
  const sdk = await import("@aws-sdk/client-s3");
  const { NodeHttpHandler } = await import("@smithy/node-http-handler");
  const config: S3ClientConfig = {
    ...(await accountOf(settings, surroundings)),
    ...regionOf(settings, surroundings.env),
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    forcePathStyle: settings.pathStyle,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    maxAttempts: 1, // `patiently` repeats
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 5_000,
      socketTimeout: limits.timeoutMs, // of silence: a large body on a slow line takes its time
      // instances: for bodies of 2 MiB and more the handler makes an agent without keep-alive otherwise
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: limits.inFlight }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: limits.inFlight }),
    }),
  };
  return { sdk, client: new sdk.S3Client(config) };
}

/** Without any the SDK looks into its own files, and fails where they say nothing. */
function regionOf(
  { region, endpoint }: BucketSettings,
  env: BucketSurroundings["env"],
): Pick<S3ClientConfig, "region"> {
  const named = region ?? (env["AWS_REGION"] || env["AWS_DEFAULT_REGION"]);
  if (named) return { region: named };
  return endpoint === undefined ? {} : { region: "us-east-1" };
}

/** How a client finds who signs. The files are of the chain that the client makes itself, which its type does not name. */
type Account = Pick<S3ClientConfig, "credentials" | "profile"> & {
  readonly filepath?: string;
  readonly configFilepath?: string;
};

/** How requests are signed: as the settings say, else as every tool of AWS finds out. */
export async function accountOf(
  { credentials }: BucketSettings,
  { env, secret }: BucketSurroundings,
): Promise<Account> {
  if (credentials === "chain") return fromVariables(env);
  if ("profile" in credentials) return { profile: credentials.profile, ...filesIn(env) };
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return {
    credentials: {
      accessKeyId,
      secretAccessKey: await secret(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: await secret(sessionToken) }),
    },
  };
}

/**
 * The variables of the run, which need not be those of this process; else the chain of the SDK, with the
 * profile of the run. A variable that is empty is none: build services make such of secrets that are not set.
 */
function fromVariables(env: BucketSurroundings["env"]): Account {
  const [accessKeyId, secretAccessKey] = [env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]];
  const profile = env["AWS_PROFILE"];
  if (!accessKeyId || !secretAccessKey) return { ...(profile ? { profile } : {}), ...filesIn(env) };
  const sessionToken = env["AWS_SESSION_TOKEN"] || undefined;
  const expiration = new Date(env["AWS_CREDENTIAL_EXPIRATION"] ?? "");
  return {
    credentials: {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      ...(Number.isNaN(expiration.getTime()) ? {} : { expiration }),
    },
  };
}

/** The shared files of the run, which need not be those of this process. */
function filesIn(env: BucketSurroundings["env"]): Pick<Account, "filepath" | "configFilepath"> {
  const [filepath, configFilepath] = [env["AWS_SHARED_CREDENTIALS_FILE"], env["AWS_CONFIG_FILE"]];
  return { ...(filepath ? { filepath } : {}), ...(configFilepath ? { configFilepath } : {}) };
}
