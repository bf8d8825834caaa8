import type { Until } from "@lockstep/plugin";
import { z } from "zod";
import { type Words, words } from "./words.ts";

/** How long and how often a check is asked. */
interface Repeated {
  /** How long it is asked; default: 2 passes in a row, 500 ms apart, within 30 s. */
  readonly until?: Until;
  /**
   * Milliseconds it has to hold without a break; raises the passes in a row, to about 60 at most, and the deadline by
   * as much and by a second for each.
   */
  readonly soakMs?: number;
}

/** Asks the live release through the SSH connection. */
export interface SshHttpCheckOptions extends Repeated {
  /** `http:` URL as the host sees it: `http://127.0.0.1:3000/health`. */
  readonly http: string;
  /** Wanted status; default 200. */
  readonly status?: number;
  /** Text that the first 64 KiB of the body must hold; `{release}` stands for the live release's id. */
  readonly body?: string;
  /**
   * Fields of a JSON body, by name with dots in between, and the text that each must be:
   * `{ "build.release": "{release}" }`. Numbers, true, false and null are compared as they are written.
   */
  readonly json?: Readonly<Record<string, string>>;
}

/** Runs a command in the live release; it passes with status 0. */
export interface SshCommandCheckOptions extends Repeated {
  /** Program and arguments; no shell reads them. */
  readonly command: readonly string[];
}

/** Proves that a process runs from the live release: its folder or its program lies in it. */
export interface SshProcessCheckOptions extends Repeated {
  readonly process:
    | {
        /** Unit whose main process it is; only its restarts count as restarts. */
        readonly systemd: string;
      }
    | {
        /** File with the number of the process, absolute or below `path`. */
        readonly pidFile: string;
      };
  /** Looks with `sudo -n`, for a process of another account. Default false. */
  readonly sudo?: boolean;
}

/** Any check of a target. */
export type SshCheckOptions = SshHttpCheckOptions | SshCommandCheckOptions | SshProcessCheckOptions;

/** A check with its defaults filled in. */
export type CheckSettings = (
  | {
      readonly http: string;
      readonly status: number;
      readonly body?: string | undefined;
      readonly json?: Readonly<Record<string, string>> | undefined;
    }
  | { readonly command: Words }
  | {
      readonly process: { readonly systemd: string } | { readonly pidFile: string };
      readonly sudo: boolean;
      readonly soakMs: number;
    }
) & { readonly until: Until };

const UNTIL: Until = { successes: 2, intervalMs: 500, deadlineMs: 30_000 };

/** Apart from each other, in milliseconds, when a check that has to hold is given no interval. */
const SOAK_INTERVAL_MS = 500;

/** A check that has to hold for long is asked less often, so that it does not last much longer than it has to. */
const SOAK_ASKS = 60;

/** Milliseconds that one of them may take, on a slow line, beside the time that it has to hold. */
const SOAK_ASK_MS = 1000;

const repeated = {
  until: z
    .strictObject({
      successes: z.int().min(1),
      intervalMs: z.int().min(0),
      deadlineMs: z.int().min(0),
    })
    .default(UNTIL),
  soakMs: z.int().min(0).default(0),
};

const check = z.union([
  z.strictObject({
    http: z
      .string()
      .refine((value) => URL.parse(value)?.protocol === "http:", "This is no http: URL"),
    status: z.int().min(100).max(599).default(200),
    body: z.string().min(1).optional(),
    json: z.record(z.string().min(1), z.string()).optional(),
    ...repeated,
  }),
  z.strictObject({ command: words, ...repeated }),
  z.strictObject({
    process: z.union([
      z.strictObject({ systemd: z.string().min(1) }),
      z.strictObject({ pidFile: z.string().min(1) }),
    ]),
    sudo: z.boolean().default(false),
    ...repeated,
  }),
]);

/** The checks of a target. */
export const checksField: z.ZodType<readonly CheckSettings[]> = z
  .array(
    check.transform(({ soakMs, until, ...rest }) =>
      // a process that is replaced between two looks would pass both: it is watched in one
      "process" in rest
        ? { ...rest, soakMs, until: { ...until, deadlineMs: until.deadlineMs + soakMs } }
        : { ...rest, until: held(until, soakMs) },
    ),
  )
  .default([]);

function held(until: Until, soakMs: number): Until {
  if (soakMs === 0) return until;
  const wanted = until.intervalMs === 0 ? SOAK_INTERVAL_MS : until.intervalMs;
  const intervalMs = Math.max(wanted, Math.ceil(soakMs / SOAK_ASKS));
  const asks = Math.ceil(soakMs / intervalMs) + 1;
  return {
    successes: Math.max(until.successes, asks),
    intervalMs,
    deadlineMs: until.deadlineMs + soakMs + asks * SOAK_ASK_MS,
  };
}
