import { isSecret, type Secret, type Until } from "@lockstep/plugin";
import { z } from "zod";
import { LONGEST_END } from "./anchors.ts";
import type { EcrAuth, WrittenAuth } from "./auth/credentials.ts";
import { ecrApi } from "./auth/ecr.ts";
import { isTag, parseRepository, type Repository } from "./reference.ts";
import { type ImageSource, sourceSchema } from "./source-options.ts";

export type { ImageSource } from "./source-options.ts";

/** How registries are reached. */
export interface NetworkOptions {
  /** Ask the registry of `repository` over plain HTTP; default false. */
  readonly plainHttp?: boolean;
  /** File with PEM certificates that are trusted besides the usual ones, relative to the config file. */
  readonly ca?: string;
  /** File with the PEM certificate of this client. */
  readonly cert?: string;
  /** PEM key of this client. */
  readonly key?: Secret;
  /** Hosts or origins that may see the password besides the registry: `auth.example.com`. */
  readonly trustedRealms?: readonly string[];
  /** Where images of a registry are read instead: `{ "docker.io": "mirror.example.com" }`. */
  readonly mirrors?: Readonly<Record<string, string>>;
}

/** How much at once, and how patiently. */
export interface LimitOptions {
  /** Blobs that are sent side by side, from 1; default 4. */
  readonly uploads?: number;
  /** Times a request is sent again after passing trouble; default 5. */
  readonly retries?: number;
  /** Longest pause, in milliseconds, that a registry may ask for; default 60,000. */
  readonly maxWaitMs?: number;
  /** First pause between two tries, in milliseconds; default 250. */
  readonly backoffMs?: number;
  /** Milliseconds without a byte until a connection counts as lost; default 60,000. */
  readonly idleMs?: number;
}

/** How an image is signed by who pushes it, without a key that has to be kept. */
export interface KeylessOptions {
  /** Proves who signs; default: what GitHub Actions gives a job, or `SIGSTORE_ID_TOKEN`. */
  readonly identityToken?: Secret;
  /** Gives the certificate; default `https://fulcio.sigstore.dev`. */
  readonly fulcio?: string;
  /** Log that everybody can read; default `https://rekor.sigstore.dev`. */
  readonly rekor?: string;
}

/** What goes with an image into the registry. */
export interface AttachOptions {
  /** A CycloneDX list of what is in the image; default false. */
  readonly sbom?: boolean;
  /** A SLSA statement of what it was built from; default false. */
  readonly provenance?: boolean;
  /** Private key, PEM, that signs the image as `cosign sign --key` does. */
  readonly signingKey?: Secret;
  /** Signs without a key, as `cosign sign` does; needs the packages `@sigstore/sign` and `@sigstore/bundle`. */
  readonly keyless?: KeylessOptions;
}

/** Options of {@link registry}. */
export interface RegistryOptions {
  /** Where the image goes, without tag: `ghcr.io/acme/shop`. */
  readonly repository: string;
  readonly source: ImageSource;
  /** Tags that are moved to each release; default `["latest"]`. */
  readonly tags?: readonly string[];
  /** Every release gets the tag `<anchor><time>.<digest>`, which never moves; default `release-`, at most 40 characters. */
  readonly anchor?: string;
  /** Releases whose anchors are kept, the live one included: from 2, default 10. */
  readonly keep?: number;
  /** `org.opencontainers.image.*` and others, on manifest and index. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Refuse to replace an image of a newer revision; default true. */
  readonly newestWins?: boolean;
  /** The registry does not let tags be moved: `tags` must then be new ones; default false. */
  readonly immutableTags?: boolean;
  /** The registry moves several tags in one request and says so in `OCI-Tag` (zot does); default false. */
  readonly atomicTags?: boolean;
  /** The registry goes on with an upload that was cut: zot and distribution 3 do, distribution 2 does not. Default false. */
  readonly resumeUploads?: boolean;
  readonly attach?: AttachOptions;
  /** Who pushes; default: what `docker login` or `podman login` left behind. */
  readonly auth?: WrittenAuth;
  readonly network?: NetworkOptions;
  readonly limits?: LimitOptions;
  /** What is read back after the tags were moved: `tags` (default), or `blobs`: all content too. */
  readonly verify?: "tags" | "blobs";
  /** How long the registry is asked; default: until it passes once, 500 ms apart, within 15 s. */
  readonly until?: Until;
}

/** Checked options with every default filled in. */
export interface RegistrySettings {
  readonly repository: Repository;
  readonly source: ImageSource;
  readonly tags: readonly string[];
  readonly anchor: string;
  readonly keep: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly newestWins: boolean;
  readonly immutableTags: boolean;
  readonly atomicTags: boolean;
  readonly resumeUploads: boolean;
  readonly attach: AttachOptions;
  readonly auth: WrittenAuth;
  readonly network: Required<Pick<NetworkOptions, "plainHttp" | "trustedRealms" | "mirrors">> &
    NetworkOptions;
  readonly limits: Required<LimitOptions>;
  readonly verify: "tags" | "blobs";
  readonly until: Until;
}

const secretValue = z.custom<Secret>((value) => isSecret(value), "This is no secret(…)");
const text = z.string().min(1);
const tag = z.string().refine(isTag, "This is no tag: letters, digits, and . _ - after the first");

const ecr = z.strictObject({
  region: text.optional(),
  endpoint: z.url().optional(),
}) as z.ZodType<EcrAuth>;

const auth = z.union([
  z.literal(["docker", "anonymous", "github"]),
  z.strictObject({ username: text, password: secretValue }),
  z.strictObject({ identityToken: secretValue }),
  z.strictObject({ token: secretValue }),
  z.strictObject({ ecr }),
]);

const network = z.strictObject({
  plainHttp: z.boolean().default(false),
  ca: text.optional(),
  cert: text.optional(),
  key: secretValue.optional(),
  trustedRealms: z.array(text).default([]),
  mirrors: z.record(text, text).default({}),
});

const limits = z.strictObject({
  uploads: z.int().min(1).max(32).default(4),
  retries: z.int().min(0).max(20).default(5),
  maxWaitMs: z.int().min(0).default(60_000),
  backoffMs: z.int().min(0).default(250),
  idleMs: z.int().min(1).default(60_000),
});

const until = z
  .strictObject({
    successes: z.int().min(1),
    intervalMs: z.int().min(0),
    deadlineMs: z.int().min(0),
  })
  .default({ successes: 1, intervalMs: 500, deadlineMs: 15_000 });

const repository = z.string().transform((written, { issues }): Repository => {
  const parsed = parseRepository(written);
  if (parsed !== undefined) return parsed;
  const message = `${written} is no repository such as ghcr.io/acme/shop, without a tag`;
  issues.push({ code: "custom", message, input: written });
  return z.NEVER;
});

/** Checks what a user wrote and fills in the defaults. */
export const registrySchema: z.ZodType<RegistrySettings> = z
  .strictObject({
    repository,
    source: sourceSchema,
    tags: z
      .array(tag)
      .min(1)
      .refine((tags) => new Set(tags).size === tags.length, "A tag is named twice")
      .default(["latest"]),
    anchor: z
      .string()
      .refine((value) => isTag(`${value}x`), "This cannot begin a tag")
      .refine((value) => value.length + LONGEST_END <= 128, "This is too long")
      .default("release-"),
    keep: z.int().min(2).default(10),
    annotations: z.record(text, z.string()).default({}),
    newestWins: z.boolean().default(true),
    immutableTags: z.boolean().default(false),
    atomicTags: z.boolean().default(false),
    resumeUploads: z.boolean().default(false),
    attach: z
      .strictObject({
        sbom: z.boolean().default(false),
        provenance: z.boolean().default(false),
        signingKey: secretValue.optional(),
        keyless: z
          .strictObject({
            identityToken: secretValue.optional(),
            fulcio: z.url().optional(),
            rekor: z.url().optional(),
          })
          .optional(),
      })
      .default({ sbom: false, provenance: false }) as z.ZodType<AttachOptions>,
    auth: auth.default("docker"),
    network: network.default(() => network.parse({})) as unknown as z.ZodType<
      RegistrySettings["network"]
    >,
    limits: limits.default(() => limits.parse({})),
    verify: z.literal(["tags", "blobs"]).default("tags"),
    until,
  })
  .superRefine(({ repository: { host }, auth: who }, { addIssue }) => {
    if (typeof who === "string" || !("ecr" in who) || ecrApi(who.ecr, host) !== undefined) return;
    const message = `${host} is no registry of Amazon ECR: say its region and endpoint`;
    addIssue({ code: "custom", message, path: ["auth", "ecr"] });
  });
