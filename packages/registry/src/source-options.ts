import type { GuardName, WrittenSource } from "@lockstep/artifact";
import { z } from "zod";
import { parseReference } from "./reference.ts";

/** How the image is to be run. What is left out comes from the base. */
export type RunSettings = {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** `node`, `1000`, `1000:1000`. */
  readonly user?: string;
  /** Default: the folder the source is put into. */
  readonly workdir?: string;
  /** `8080`, `53/udp`. */
  readonly ports?: readonly (number | string)[];
  /** `SIGTERM`. */
  readonly stopSignal?: string;
};

/** Paths that get a layer of their own. */
export type LayerSettings = {
  /** Letters, digits and dashes; shown in plans and in the history of the image. */
  readonly name: string;
  /** Rules of a .gitignore file, which here say what belongs to the layer. */
  readonly include: readonly string[];
};

/** Files that become an image. */
export type DirectorySource = {
  /** Folder relative to the config file, or files of a git commit. */
  readonly directory: WrittenSource;
  /** `scratch`, or an image pinned by its digest: `node:24-slim@sha256:…`. */
  readonly base: string;
  /** Folder of the image that the files go into; default `/app`. */
  readonly into?: string;
  /** `linux/amd64`, `linux/arm64/v8`; default: the one of the base, or `linux/amd64`. */
  readonly platforms?: readonly string[];
  /**
   * `node`: dependencies, large packages, workspace packages, assets, then the rest. A list: each layer in
   * turn, from the bottom, takes what its rules name. Default: `node` where there are node_modules.
   */
  readonly layers?: "node" | "one" | readonly LayerSettings[];
  /** Folders whose files are assets for the `node` layers; default `public`, `static`, `assets`. */
  readonly assets?: readonly string[];
  /** What of the folder stays behind, as rules of a .gitignore file. */
  readonly exclude?: readonly string[];
  /** Guards of the source that are switched off, by name. */
  readonly allow?: readonly GuardName[];
  /** Default `gzip`; `zstd` needs Docker 23 or containerd 1.5 where the image runs. */
  readonly compression?: "gzip" | "zstd";
  readonly run?: RunSettings;
};

/** Where an image comes from. */
export type ImageSource =
  | DirectorySource
  /** A folder in the OCI layout, as `docker buildx build --output type=oci,tar=false` writes it. */
  | { readonly ociLayout: string; readonly ref?: string }
  /** A file of `docker save`. */
  | { readonly dockerArchive: string }
  /** An image of a registry by digest: `ghcr.io/acme/shop@sha256:…`. */
  | { readonly image: string };

const text = z.string().min(1);
const plainText = text.refine((value) => !value.includes("\0"), "A NUL is not allowed");

const run = z.strictObject({
  entrypoint: z.array(plainText).optional(),
  cmd: z.array(plainText).optional(),
  env: z
    .record(z.string().regex(/^[^=\0]+$/, "This is no name of a variable"), z.string())
    .optional(),
  labels: z.record(text, z.string()).optional(),
  user: plainText.optional(),
  workdir: z.string().startsWith("/").optional(),
  ports: z
    .array(z.union([z.int().min(1).max(65_535), z.string().regex(/^\d{1,5}\/(tcp|udp|sctp)$/)]))
    .optional(),
  stopSignal: z
    .string()
    .regex(/^(SIG[A-Z0-9+-]+|\d+)$/, "This is no signal")
    .optional(),
});

const pinned = z
  .string()
  .refine(
    (value) => value === "scratch" || parseReference(value)?.digest !== undefined,
    'This is neither "scratch" nor an image with its digest, name@sha256:…',
  );

const directory = z.strictObject({
  directory: z.union([text, z.strictObject({ git: text, directory: text.optional() })]),
  base: pinned,
  into: z
    .string()
    .refine(
      (path) => path === "/" || /^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/.test(path),
      "This is no absolute folder such as /app",
    )
    .default("/app"),
  platforms: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/, "This is no platform such as linux/amd64"),
    )
    .min(1)
    .optional(),
  layers: z
    .union([
      z.literal(["node", "one"]),
      z.array(
        z.strictObject({
          name: z
            .string()
            .regex(/^[0-9a-z][0-9a-z-]*$/, "A name has small letters, digits and dashes"),
          include: z.array(text).min(1),
        }),
      ),
    ])
    .optional(),
  assets: z.array(text).default(["public", "static", "assets"]),
  exclude: z.array(z.string()).default([]),
  allow: z.array(z.string() as unknown as z.ZodType<GuardName>).default([]),
  compression: z.literal(["gzip", "zstd"]).default("gzip"),
  run: run.default({}),
});

/** Checks one of the kinds of source; several keys that name a source are refused. */
export const sourceSchema: z.ZodType<ImageSource> = z.union([
  directory,
  z.strictObject({ ociLayout: text, ref: text.optional() }),
  z.strictObject({ dockerArchive: text }),
  z.strictObject({
    image: z
      .string()
      .refine(
        (value) => parseReference(value)?.digest !== undefined,
        "This is no image with its digest, name@sha256:…",
      ),
  }),
]) as unknown as z.ZodType<ImageSource>;
