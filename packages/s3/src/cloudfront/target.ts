import { artifactErrors } from "@lockstep/artifact";
import { isLockstepError, type TargetBody } from "@lockstep/plugin";
import { placeOf } from "../bucket-options.ts";
import { s3Errors } from "../catalogue.ts";
import type { S3Settings } from "../options.ts";
import { checkSite } from "../steps/check-site.ts";
import { activate } from "./activate.ts";
import { audit } from "./audit.ts";
import { openRouted, type RoutedConnection } from "./connection.ts";
import { doctor } from "./doctor.ts";
import type { RouterSettings } from "./options.ts";
import { plan, refOf } from "./plan.ts";
import { retire } from "./retire.ts";
import { stage } from "./stage.ts";

/** A site whose visitors are led by the router of a CloudFront distribution. */
export function routedTarget(
  settings: S3Settings,
  router: RouterSettings,
): TargetBody<RoutedConnection> {
  const store = router.keyValueStore.replace(/^.*\//, "");
  return {
    places: [placeOf(settings.bucket, settings.prefix), `kvs://${store}/${router.name}`],
    // nobody sees an object before the one write to the store, which names the tag of what was read
    traits: { fencing: "compare" },
    steps: [stage, activate],
    checks: [checkSite],
    retires: [retire],
    errors: { ...artifactErrors, ...s3Errors },
    connect: (ctx) => openRouted(settings, router, ctx),

    async live({ connection, signal }) {
      const position = await connection.switchboard.look({ signal });
      const { past, stamp } = position;
      const kept = past.map(({ ref }) => ref);
      return [{ ref: refOf(position), kept, ...(stamp === undefined ? {} : { stamp }) }];
    },

    plan: (request, ctx) => plan(router, request, ctx),
    doctor,
    audit,

    async fence(stamp, ctx) {
      const { switchboard } = ctx.connection;
      const put = async (): Promise<void> => {
        const position = await switchboard.known(ctx);
        switchboard.refuseOlder(position, stamp);
        await switchboard.write({ ...position, stamp }, ctx);
      };
      await put().catch(async (error: unknown) => {
        const isOutdated = isLockstepError(error) && error.code === "STEP_CONFLICT";
        if (!isOutdated) throw error;
        await switchboard.read(ctx);
        await put();
      });
    },
  };
}
