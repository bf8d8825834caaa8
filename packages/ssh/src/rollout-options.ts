import { z } from "zod";
import { nameText, type Words, words } from "./words.ts";

/** Restarts or reloads a systemd unit after each move of the link, and waits until it is active. */
export interface SshServiceOptions {
  /** Name of the unit: `shop.service`. */
  readonly systemd: string;
  /** Default `restart`. A reload keeps the processes that systemd knows; the service has to follow the link itself. */
  readonly action?: "restart" | "reload" | "reload-or-restart";
  /** Calls `sudo -n systemctl …`. Default false. */
  readonly sudo?: boolean;
  /** Milliseconds until it has to be active; default 30,000. */
  readonly readyMs?: number;
}

/** In which order hosts get a release. Without it all links move side by side. */
export interface SshRolloutOptions {
  /** Sizes of the waves, in hosts or percent; the last one is repeated: `[1, "25%", "100%"]`. Default all at once. */
  readonly waves?: readonly (number | string)[];
  /** Hosts with this label, or of this name, come first: the canaries. */
  readonly first?: string;
  /** Milliseconds between the checks of a wave and the next one; default 0. */
  readonly pauseMs?: number;
  /**
   * Hosts whose checks may fail, in number or percent, without ending the run; they keep the new release and are
   * named. Default 0.
   */
  readonly maxFailures?: number | string;
}

/** What is done around the move of a link. */
export interface ActivationSettings {
  readonly restart?: Words | undefined;
  readonly service?:
    | {
        readonly systemd: string;
        readonly action: "restart" | "reload" | "reload-or-restart";
        readonly sudo: boolean;
        readonly readyMs: number;
      }
    | undefined;
  readonly drain?: Words | undefined;
  readonly undrain?: Words | undefined;
  readonly confirmWithinMs?: number | undefined;
  readonly adopt: boolean;
  readonly rollout: {
    readonly waves: readonly (number | string)[];
    readonly first?: string | undefined;
    readonly pauseMs: number;
    readonly maxFailures: number | string;
  };
}

const share = z.string().regex(/^(?:100|[1-9]?\d)%$/, "This is no share such as 25%");

const ALL_AT_ONCE: ActivationSettings["rollout"] = { waves: ["100%"], pauseMs: 0, maxFailures: 0 };

/** The options of {@link ActivationSettings}, for the schema of an object. */
export const activationFields: {
  readonly [Name in keyof ActivationSettings]-?: z.ZodType<ActivationSettings[Name]>;
} = {
  restart: words.optional(),
  service: z
    .strictObject({
      systemd: nameText,
      action: z.enum(["restart", "reload", "reload-or-restart"]).default("restart"),
      sudo: z.boolean().default(false),
      readyMs: z.int().min(0).default(30_000),
    })
    .optional(),
  drain: words.optional(),
  undrain: words.optional(),
  confirmWithinMs: z.int().min(5000).max(3_600_000).optional(),
  adopt: z.boolean().default(false),
  rollout: z
    .strictObject({
      waves: z
        .array(z.union([z.int().min(1), share]))
        .min(1)
        .default(["100%"]),
      first: z.string().min(1).optional(),
      pauseMs: z.int().min(0).max(3_600_000).default(0),
      maxFailures: z.union([z.int().min(0), share]).default(0),
    })
    .default(ALL_AT_ONCE as never),
};
