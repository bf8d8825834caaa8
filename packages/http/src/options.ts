import { isSecret, type Json, type Secret, type Until } from "@lockstep/plugin";
import { z } from "zod";
import { problemOfUrl } from "./url.ts";

/** How often a check must pass before it counts; what is left out has its default. */
export interface WrittenUntil {
  /** Passes in a row, from 1; default 2. */
  readonly successes?: number;
  /** Milliseconds between two tries; default 1,000. */
  readonly intervalMs?: number;
  /** Milliseconds after which the last answer counts; default 30,000. */
  readonly deadlineMs?: number;
}

/** One request and what its answer must be. `{release}` stands for the id of the release in every text. */
export interface WrittenCheck {
  /** `http:` or `https:`, without user and password. */
  readonly url: string;
  /** Default: any from 200 to 299. */
  readonly status?: number;
  /** Text the first 64 KiB of the body must contain. */
  readonly body?: string;
  /** Values the body, as JSON, must have; what it has besides does not matter. Arrays must be equal. */
  readonly json?: Json;
  /** Headers the answer must carry, each with a text its value must contain. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers to send; never sent to another origin. */
  readonly send?: Readonly<Record<string, string | Secret>>;
  /** How many redirects to follow, also to other origins, 0 to 10; default 0: a redirect is the answer. */
  readonly redirects?: number;
  /** Milliseconds for one request with its redirects, 1 to 60,000; default 10,000. */
  readonly timeoutMs?: number;
  readonly until?: WrittenUntil;
}

/** A page that is asked again and again while pointers move. */
export interface WrittenWatch {
  readonly url: string;
  /** Milliseconds between two requests, at least 10; default 200. */
  readonly intervalMs?: number;
  /** Milliseconds after which a request counts as failed, 1 to 60,000; default 5,000. */
  readonly timeoutMs?: number;
}

/** Options of {@link http} as a user writes them. */
export interface WrittenHttpOptions {
  /** At least one. */
  readonly checks: readonly WrittenCheck[];
  readonly watch?: WrittenWatch;
}

/** A check with its defaults. */
export interface CheckOptions extends Pick<WrittenCheck, "url"> {
  readonly status?: number | undefined;
  readonly body?: string | undefined;
  readonly json?: Json | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly send?: Readonly<Record<string, string | Secret>> | undefined;
  readonly redirects: number;
  readonly timeoutMs: number;
  readonly until: Until;
}

/** A watch with its defaults. */
export type WatchOptions = Required<WrittenWatch>;

/** Options with every default. */
export interface HttpOptions {
  readonly checks: readonly CheckOptions[];
  readonly watch?: WatchOptions | undefined;
}

const url = z.string().superRefine((text, ctx) => {
  const message = problemOfUrl(text);
  if (message !== undefined) ctx.addIssue({ code: "custom", message });
});

const milliseconds = (least: number, most: number): z.ZodNumber => z.int().min(least).max(most);

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "This is not a header name");

const until = z
  .strictObject({
    successes: z.int().min(1).max(1000).default(2),
    intervalMs: milliseconds(0, 600_000).default(1000),
    deadlineMs: milliseconds(0, 3_600_000).default(30_000),
  })
  .prefault({});

const check = z.strictObject({
  url,
  status: z.int().min(100).max(599).optional(),
  body: z.string().min(1).optional(),
  json: z.json().optional(),
  headers: z.record(headerName, z.string()).optional(),
  send: z
    .record(
      headerName,
      z.union([
        z.string().regex(/^[^\r\n\0]*$/, "This value has a line break"),
        z.custom<Secret>(isSecret),
      ]),
    )
    .optional(),
  redirects: z.int().min(0).max(10).default(0),
  timeoutMs: milliseconds(1, 60_000).default(10_000),
  until,
});

/** Checks options and fills in the defaults. */
export const schema: z.ZodType<HttpOptions> = z.strictObject({
  checks: z.array(check).min(1, "At least one check is needed"),
  watch: z
    .strictObject({
      url,
      intervalMs: milliseconds(10, 600_000).default(200),
      timeoutMs: milliseconds(1, 60_000).default(5000),
    })
    .optional(),
});
