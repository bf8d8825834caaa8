import type { Until } from "@lockstep/plugin";
import { z } from "zod";

/** How visitors reach the site, and what is asked as one of them after it went live. */
export interface CheckOptions {
  /** Where the top of the site is: `https://shop.example.com`. */
  readonly url: string;
  /** Paths of URLs that are always asked; default `/`. */
  readonly paths?: readonly string[];
  /** Files of the release that are asked besides, 0 to 1,000; default 10. */
  readonly sample?: number;
  /** How long the check is repeated; default until one pass, every second, for a minute. */
  readonly until?: Partial<Until>;
}

/** {@link CheckOptions}, checked and complete. */
export interface CheckSettings {
  /** Without a slash at its end. */
  readonly url: string;
  readonly paths: readonly string[];
  readonly sample: number;
  readonly until: Until;
}

const until = z.strictObject({
  successes: z.int().min(1).default(1),
  intervalMs: z.int().min(0).default(1_000),
  deadlineMs: z.int().min(0).default(60_000),
});

const NO_PATH = "This is no path such as /docs/";

function isDecodable(path: string): boolean {
  try {
    return decodeURIComponent(path) !== "";
  } catch {
    return false;
  }
}

/** Checks what a user wrote about the check. */
export const checkSchema: z.ZodType<CheckSettings> = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: "This is no URL such as https://shop.example.com" })
    .refine((url) => !/^[a-z]+:\/\/[^/]*@/.test(url), "This holds credentials")
    .refine((url) => !/[?#]/.test(url), "This must end with a path")
    .transform((url) => url.replace(/\/+$/, "")),
  paths: z
    .array(
      z
        .string()
        .regex(/^\/[^\s?#]*$/, NO_PATH)
        .refine(isDecodable, NO_PATH),
    )
    .default(["/"]),
  sample: z.int().min(0).max(1_000).default(10),
  until: until.default(() => until.parse({})),
});
