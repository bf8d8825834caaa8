import type { Secret } from "@lockstep/plugin";
import { z } from "zod";
import { secretValue } from "./login-options.ts";
import { nameText, variableName, type Words, words } from "./words.ts";

/** What outlives releases, kept in `shared` beside them: each release gets links to it. */
export interface SshSharedOptions {
  /** Folders below `shared`, made when missing; a mode such as `"0770"` is for one that is made. */
  readonly dirs?: readonly (string | { readonly path: string; readonly mode?: string })[];
  /** Files below `shared`, which must be there before a deploy. */
  readonly files?: readonly string[];
  /** What happens when the artifact has something at such a path: `refuse` (default), or `replace` it. */
  readonly onConflict?: "refuse" | "replace";
}

/** A file with variables that each release gets, mode 0600. */
export interface SshEnvFileOptions {
  /** Where in the release; default `.env`. */
  readonly path?: string;
  /** Values, as a POSIX shell reads them; they reach the host on stdin. */
  readonly values: Readonly<Record<string, string | Secret>>;
}

/** A task that runs once per release, on one host, before any link moves. */
export interface SshOnceOptions {
  /** Names its marker on the host. */
  readonly name: string;
  /** Program and arguments, run in the staged release. */
  readonly run: readonly string[];
  /** Label or name of the host; default: the first host. */
  readonly on?: string;
  /**
   * `leave`: it stays when the run is put back (a migration that only adds). `never`: nothing can undo it, so it
   * runs last, after all links.
   */
  readonly undo: "leave" | "never";
}

/** What is done in a release before it goes live. */
export interface ReleaseSettings {
  readonly shared: {
    readonly dirs: readonly { readonly path: string; readonly mode?: string | undefined }[];
    readonly files: readonly string[];
    readonly onConflict: "refuse" | "replace";
  };
  readonly envFile?:
    | { readonly path: string; readonly values: Readonly<Record<string, string | Secret>> }
    | undefined;
  readonly prepare?: Words | undefined;
  readonly once: readonly {
    readonly name: string;
    readonly run: Words;
    readonly on?: string | undefined;
    readonly undo: "leave" | "never";
  }[];
}

/** A clean relative path without control characters. */
const inside = z.string().refine(
  // eslint-disable-next-line no-control-regex
  (path) => !/[\u0000-\u001f\u007f\\]/.test(path) && path.split("/").every(isName),
  "This is no relative path such as storage/logs",
);

function isName(part: string): boolean {
  return part !== "" && part !== "." && part !== "..";
}

const mode = z.string().regex(/^[0-7]{3,4}$/, "This is no mode such as 0770");
const folder = z.union([
  inside.transform((path) => ({ path, mode: undefined })),
  z.strictObject({ path: inside, mode: mode.optional() }),
]);

/** Variables and their values. */
export const variables: z.ZodRecord<
  z.ZodString,
  z.ZodUnion<readonly [z.ZodString, z.ZodType<Secret>]>
> = z.record(
  variableName,
  z.union([
    z.string().refine((value) => !value.includes("\0"), "A NUL is not allowed"),
    secretValue,
  ]),
);

const NOTHING_SHARED: ReleaseSettings["shared"] = { dirs: [], files: [], onConflict: "refuse" };

/** The options of what is done in a release, for the schema of an object. */
export const releaseFields: {
  readonly shared: z.ZodType<ReleaseSettings["shared"]>;
  readonly envFile: z.ZodType<ReleaseSettings["envFile"]>;
  readonly prepare: z.ZodType<ReleaseSettings["prepare"]>;
  readonly once: z.ZodType<ReleaseSettings["once"]>;
} = {
  shared: z
    .strictObject({
      dirs: z.array(folder).default([]),
      files: z.array(inside).default([]),
      onConflict: z.enum(["refuse", "replace"]).default("refuse"),
    })
    .default(NOTHING_SHARED as never),
  envFile: z.strictObject({ path: inside.default(".env"), values: variables }).optional(),
  prepare: words.optional(),
  once: z
    .array(
      z.strictObject({
        name: nameText,
        run: words,
        on: z.string().min(1).optional(),
        undo: z.enum(["leave", "never"]),
      }),
    )
    .refine(
      (tasks) => tasks.filter(({ undo }) => undo === "never").length < 2,
      'Only one task can have undo: "never"',
    )
    .refine(
      (tasks) => new Set(tasks.map(({ name }) => name)).size === tasks.length,
      "Two tasks have the same name",
    )
    .default([]),
};
