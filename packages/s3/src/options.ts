import type { GuardName, WrittenSource } from "@lockstep/artifact";
import { z } from "zod";
import { type BucketLimits, usualLimits } from "./aws-client.ts";
import {
  type BucketOptions,
  type BucketSettings,
  bucketSettings,
  bucketShape,
} from "./bucket-options.ts";
import { type CheckOptions, checkSchema, type CheckSettings } from "./check-options.ts";
import {
  type CloudFrontOptions,
  cloudFrontSchema,
  type CloudFrontSettings,
} from "./cloudfront/options.ts";
import { headerNameProblem, headerValueProblem } from "./object-headers.ts";

/**
 * A guard of sites that refuses a source; each may be switched off by name.
 *
 * - `empty`: no file, or no page
 * - `shrink`: more files gone since the live release than `shrink` allows
 * - `references`: pages that name files which are not in the release
 * - `rules`: lines of `_headers` and `_redirects` that a bucket cannot follow; they are left out then
 */
export type SiteGuard = "empty" | "shrink" | "references" | "rules";

/** Headers for the files that a pattern matches. */
export interface HeaderRule {
  /** `*` stands for part of a name, `**` for any part of a path: `docs/**`, `*.html` only at the top. */
  readonly match: string;
  /** What an object can keep: `cache-control`, `content-type`, `content-disposition`, `x-amz-meta-…`; null removes it. */
  readonly set: Readonly<Record<string, string | null>>;
}

/** Options of {@link s3}. */
export interface S3Options extends BucketOptions {
  /** The built site: a folder, or a commit of a git repository. */
  readonly source: WrittenSource;
  /** Where in the bucket the site is: `docs/`; default the whole bucket. */
  readonly prefix?: string;
  /** Rules in the syntax of gitignore for files that are left out. */
  readonly exclude?: readonly string[];
  /** Guards that are switched off. */
  readonly allow?: readonly (GuardName | SiteGuard)[];
  /** Later rules win over earlier ones, and over those of a `_headers` file. */
  readonly headers?: readonly HeaderRule[];
  /** Which files count as assets that never change under their name. */
  readonly assets?: {
    /** Patterns of files that are replaced like pages, although their names look like a digest. */
    readonly exclude?: readonly string[];
    /** Patterns of files that are assets, whatever their names look like; `exclude` wins. */
    readonly include?: readonly string[];
  };
  /** Files that go live last, in this order; default `index.html`, `404.html`, `sw.js`, `version.json`. */
  readonly entries?: readonly string[];
  /** How long what was live stays: releases from 2, default 5, and days, default 7; the longer of both. */
  readonly keep?: { readonly releases?: number; readonly days?: number };
  /** Share of the files, 0 to 1, that may be gone since the live release; default 0.5. */
  readonly shrink?: number;
  /** Whether each plan lists the site, so that a deploy puts back what is gone; default false. Not behind a router. */
  readonly repair?: boolean;
  /** Where Lockstep keeps its own objects, below `prefix`; default `.lockstep/`. */
  readonly state?: string;
  /** Asks as a visitor after the release went live; what is wrong puts the run back. */
  readonly check?: CheckOptions;
  /** A CloudFront distribution in front of the bucket. */
  readonly cloudfront?: CloudFrontOptions;
  /** How hard the server is worked. */
  readonly limits?: Partial<SiteLimits>;
}

/** {@link S3Options}, checked and complete. */
export interface S3Settings {
  readonly bucket: BucketSettings;
  readonly source: WrittenSource;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** Full prefix of Lockstep's own objects; ends in a slash. */
  readonly state: string;
  readonly exclude: readonly string[];
  readonly allow: readonly (GuardName | SiteGuard)[];
  readonly headers: readonly HeaderRule[];
  readonly assets: { readonly exclude: readonly string[]; readonly include: readonly string[] };
  readonly entries: readonly string[];
  readonly keep: { readonly releases: number; readonly days: number };
  readonly shrink: number;
  readonly repair: boolean;
  readonly check: CheckSettings | undefined;
  readonly cloudfront: CloudFrontSettings | undefined;
  readonly limits: SiteLimits;
}

/** How hard a server is worked for a site. */
export interface SiteLimits extends BucketLimits {
  /** Bytes of a part, from 5 MiB; files of more than four parts are sent in parts. */
  readonly partBytes: number;
}

const GUARDS = [
  "secrets",
  "links",
  "names",
  "twins",
  "special",
  "root",
  "empty",
  "shrink",
  "references",
  "rules",
] as const;

/** A path as keys may begin with: clean segments, so that no client or proxy reads it as another. */
export const folder: z.ZodType<string, string> = z
  .string()
  .refine(isCleanFolder, "This is no folder of a bucket such as docs/")
  .transform((text) => (text === "" || text.endsWith("/") ? text : `${text}/`));

const rule = z.strictObject({
  match: z.string().min(1),
  set: z.record(z.string(), z.string().nullable()).superRefine((set, { addIssue }) => {
    for (const [name, value] of Object.entries(set)) {
      const problem = headerNameProblem(name) ?? headerValueProblem(value ?? "");
      if (problem !== undefined) addIssue({ code: "custom", message: `${name}: ${problem}` });
    }
  }),
});

const MIB = 1024 * 1024;

const limits = z.strictObject({
  partBytes: z
    .int()
    .min(5 * MIB)
    .max(1024 * MIB)
    .default(16 * MIB),
  inFlight: z.int().min(1).max(1024).default(usualLimits.inFlight),
  tries: z.int().min(1).max(100).default(usualLimits.tries),
  backoffMs: z.int().min(1).default(usualLimits.backoffMs),
  timeoutMs: z.int().min(1).default(usualLimits.timeoutMs),
  deadlineMs: z.int().min(1).default(usualLimits.deadlineMs),
});

const source = z.union([
  z.string().min(1),
  z.strictObject({ git: z.string().min(1), directory: z.string().optional() }),
]) as z.ZodType<WrittenSource>;

const written = z.strictObject({
  ...bucketShape,
  source,
  prefix: folder.default(""),
  exclude: z.array(z.string()).default([]),
  allow: z.array(z.enum(GUARDS)).default([]),
  headers: z.array(rule).default([]),
  assets: z
    .strictObject({
      exclude: z.array(z.string().min(1)).default([]),
      include: z.array(z.string().min(1)).default([]),
    })
    .default({ exclude: [], include: [] }),
  entries: z.array(z.string()).default(["index.html", "404.html", "sw.js", "version.json"]),
  keep: z
    .strictObject({
      releases: z.int().min(2).default(5),
      days: z.number().min(0).default(7),
    })
    .default({ releases: 5, days: 7 }),
  shrink: z.number().min(0).max(1).default(0.5),
  repair: z.boolean().default(false),
  state: folder.refine((text) => text !== "", "This must not be empty").default(".lockstep/"),
  check: checkSchema.optional(),
  cloudfront: cloudFrontSchema.optional(),
  limits: limits.default(() => limits.parse({})),
});

/** Checks what a user wrote and fills in the defaults. */
export const s3Schema: z.ZodType<S3Settings> = written
  .refine(({ repair, cloudfront }) => !repair || cloudfront?.router === undefined, {
    path: ["repair"],
    message: "Behind a router nothing is put back: every release has objects of its own",
  })
  .transform((options): S3Settings => {
    const { state, ...rest } = options;
    const prefix = `${rest.prefix}${rest.cloudfront?.router?.prefix ?? ""}`;
    return {
      bucket: bucketSettings(options),
      prefix,
      state: `${prefix}${state}`,
      source: rest.source,
      exclude: rest.exclude,
      allow: rest.allow,
      headers: rest.headers,
      assets: rest.assets,
      entries: rest.entries,
      keep: rest.keep,
      shrink: rest.shrink,
      repair: rest.repair,
      check: rest.check,
      cloudfront: rest.cloudfront,
      limits: rest.limits,
    };
  });

function isCleanFolder(text: string): boolean {
  if (text === "") return true;
  const segments = text.replace(/\/$/, "").split("/");
  return segments.every((segment) => /^[\w.~ -]+$/.test(segment) && !/^\.{1,2}$/.test(segment));
}
