import { type Checked, checkOptions } from "@lockstep/plugin";
import type { Store } from "@lockstep/plugin";
import { z } from "zod";
import type { AnyTarget, WrittenConfig } from "./config.ts";

/** Lower-case words that may stand in keys of a store, in URLs and in commands. */
const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "A name has 1 to 40 characters of a-z, 0-9 and -");

const environment = z.strictObject({
  protected: z.boolean().optional(),
  store: z.custom<Store>().optional(),
  targets: z.record(name, z.custom<AnyTarget>()),
  order: z.array(z.union([z.string(), z.array(z.string())])).optional(),
});

const config = z.strictObject({
  project: z.string().min(1),
  environments: z.record(name, environment),
});

/** Checks the keys and simple values of a config; targets and stores are looked at afterwards. */
export function checkShape(written: unknown): Checked<WrittenConfig> {
  return checkOptions(config as z.ZodType<WrittenConfig>, written);
}
