import { z } from "zod";

/** A CloudFront distribution in front of the bucket. One of the first two is needed. */
export interface CloudFrontOptions {
  /**
   * ARN of the key value store that the router reads: pages then lie below a prefix of their release, and going
   * live is one write there. Needs the functions of `cloudFrontFunctions`.
   */
  readonly keyValueStore?: string;
  /** A plain distribution without the router, by its id: what changed is invalidated when a release goes live. */
  readonly distribution?: string;
  /** Name of the site in the store, for several sites in one; default `site`. */
  readonly site?: string;
  /** Deploys a preview of its own, with its own pointer, for `<branch>.<previews>`; any name of a branch. */
  readonly branch?: string;
  /** Takes the preview of `branch` away in place of deploying it. */
  readonly remove?: boolean;
  /** Where a server other than Amazon's is, for the store and the invalidations. */
  readonly endpoint?: string;
}

/** {@link CloudFrontOptions} with a router, checked and complete. */
export interface RouterSettings {
  readonly keyValueStore: string;
  /** Name of the pointer in the store. */
  readonly name: string;
  /** What is put before the prefix of the site; empty without a branch. */
  readonly prefix: string;
  readonly remove: boolean;
  readonly endpoint: string | undefined;
}

/** {@link CloudFrontOptions} without a router, checked and complete. */
export interface PurgeSettings {
  readonly distribution: string;
  readonly endpoint: string | undefined;
}

/** What the schema makes of {@link CloudFrontOptions}. */
export interface CloudFrontSettings {
  readonly router: RouterSettings | undefined;
  readonly purge: PurgeSettings | undefined;
}

const ARN = /^arn:aws[a-z-]*:cloudfront::\d{12}:key-value-store\/[\w-]+$/;

const written = z
  .strictObject({
    keyValueStore: z.string().regex(ARN, "This is no ARN of a key value store").optional(),
    distribution: z
      .string()
      .regex(/^[A-Z0-9]+$/, "This is no id of a distribution such as EDFDVBD6EXAMPLE")
      .optional(),
    site: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "A site has small letters, digits and dashes")
      .default("site"),
    branch: z.string().min(1).optional(),
    remove: z.boolean().default(false),
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
  })
  .superRefine(({ keyValueStore, distribution, branch, remove }, { addIssue }) => {
    const problem = (path: string, message: string): void =>
      addIssue({ code: "custom", path: [path], message });
    if (keyValueStore === undefined && distribution === undefined) {
      problem("keyValueStore", "Either a key value store or a distribution is needed");
    }
    if (keyValueStore !== undefined && distribution !== undefined) {
      problem("distribution", "With a key value store nothing is invalidated: leave this out");
    }
    if (branch !== undefined && keyValueStore === undefined) {
      problem("branch", "Branches need a key value store; without one give each its own `prefix`");
    }
    if (branch !== undefined && hostLabel(branch) === "") {
      problem("branch", "This has neither letters nor digits");
    }
    if (remove && branch === undefined) problem("remove", "Only a branch can be removed");
  });

/** Checks what a user wrote about CloudFront. */
export const cloudFrontSchema: z.ZodType<CloudFrontSettings> = written.transform(
  ({ keyValueStore, distribution, site, branch, remove, endpoint }): CloudFrontSettings => {
    const label = branch === undefined ? undefined : hostLabel(branch);
    return {
      router:
        keyValueStore === undefined
          ? undefined
          : {
              keyValueStore,
              name: label === undefined ? site : `${site}~${label}`,
              prefix: label === undefined ? "" : `b/${label}/`,
              remove,
              endpoint,
            },
      purge: distribution === undefined ? undefined : { distribution, endpoint },
    };
  },
);

/** A branch as the first part of a host can name it: `feature/Login_2` is `feature-login-2`. */
export function hostLabel(branch: string): string {
  const label = branch.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return label.replace(/^-/, "").slice(0, 63).replace(/-$/, "");
}
