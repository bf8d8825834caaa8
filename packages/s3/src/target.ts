import { artifactErrors } from "@lockstep/artifact";
import { defineTarget, isLockstepError, type Target, type TargetBody } from "@lockstep/plugin";
import { audit } from "./audit.ts";
import { placeOf } from "./bucket-options.ts";
import { s3Errors } from "./catalogue.ts";
import { activatePurged } from "./cloudfront/activate-purged.ts";
import { routedTarget } from "./cloudfront/target.ts";
import { openConnection, type S3Connection } from "./connection.ts";
import { doctor } from "./doctor.ts";
import { type S3Options, type S3Settings, s3Schema } from "./options.ts";
import { plan, refOf } from "./plan.ts";
import type { Pointer } from "./pointer.ts";
import { activate } from "./steps/activate.ts";
import { checkSite } from "./steps/check-site.ts";
import { repair } from "./steps/repair.ts";
import { retire } from "./steps/retire.ts";
import { stage } from "./steps/stage.ts";
import { VERSION } from "./version.ts";

/**
 * A static site in a bucket of your own: changed pages are sent where nobody sees them, and copied over the
 * live ones inside the bucket, those that are asked for first last.
 *
 * Making the target touches nothing.
 */
export function s3(options: S3Options): Target<S3Connection> {
  return defineTarget(
    { plugin: "@lockstep/s3", version: VERSION, schema: s3Schema, make },
    options,
  );
}

const BEST_EFFORT =
  "This server ignores the conditions of writes: only the lease keeps two runs apart, as well as it can.\n";

function make(settings: S3Settings): TargetBody<S3Connection> {
  const router = settings.cloudfront?.router;
  if (router !== undefined) return routedTarget(settings, router);
  return {
    places: [placeOf(settings.bucket, settings.prefix)],
    // not every server keeps conditions of copies: a run that wakes up late can still write a page
    traits: { fencing: "none" },
    steps: [stage, repair, activate, activatePurged],
    checks: [checkSite],
    retires: [retire],
    errors: { ...artifactErrors, ...s3Errors },
    connect: (ctx) => openConnection(settings, ctx),

    async live({ connection, signal }) {
      const pointer = await connection.control.look({ signal });
      const { past, stamp, moving, live } = pointer;
      const kept = past.map(({ ref }) => ref);
      return [
        {
          ref: refOf(pointer),
          kept: moving === undefined || live === null ? kept : [live, ...kept],
          ...(stamp === undefined ? {} : { stamp }),
        },
      ];
    },

    plan,
    doctor,
    audit,

    async fence(stamp, ctx) {
      const { control } = ctx.connection;
      const put = async (pointer: Pointer): Promise<void> => {
        control.refuseOlder(pointer, stamp);
        const conditions = await ctx.connection.conditions(pointer.conditions, ctx);
        if (conditions.verdict === "ignored") ctx.log(BEST_EFFORT);
        const begun = pointer.begun ?? stamp.run;
        await control.write({ ...pointer, conditions, stamp, begun }, ctx);
      };
      await put(await control.known(ctx)).catch(async (error: unknown) => {
        const isOutdated = isLockstepError(error) && error.code === "STEP_CONFLICT";
        if (!isOutdated) throw error;
        await put(await control.read(ctx));
      });
    },
  };
}
