import type { Finding, ReadContext } from "@lockstep/plugin";
import type { S3Connection } from "./connection.ts";
import { storedHeaders, whichOf } from "./moves.ts";
import { inParallel } from "./parallel.ts";
import { isSameHeaders } from "./release.ts";
import { settingsMissing } from "./settings-kept.ts";

/** Most keys that one finding names. */
const MOST_NAMES = 10;

/** Compares every object of the live release, bytes and headers, with what was deployed. Changes nothing. */
export async function* audit(ctx: ReadContext<S3Connection>): AsyncGenerator<Finding> {
  const { connection, signal } = ctx;
  const { bucket, control, layout, settings } = connection;
  const { live } = await control.read(ctx);
  if (live === null) {
    yield { level: "ok", text: "No release is live yet" };
    return;
  }
  const release = await connection.release(live, signal);
  const [missing, changed, unlike]: [string[], string[], string[]] = [[], [], []];
  await inParallel(release.files, settings.limits.inFlight, async (file) => {
    const head = await bucket.head(layout.live(file.path), { signal });
    if (head === undefined) missing.push(file.path);
    else if (whichOf(head, [file]) === undefined) changed.push(file.path);
    else if (!isSameHeaders(head.headers, storedHeaders(file)))
      changed.push(`${file.path} (headers)`);
    else {
      const lacks = settingsMissing(settings.bucket.storedWith, head.stored);
      if (lacks.length > 0) unlike.push(`${file.path} (${lacks.join(", ")})`);
    }
  });
  const fix = "Take the change into the source, put the object back or remove it, then deploy.";
  if (missing.length > 0) {
    yield {
      level: "fail",
      text: `${missing.length} live objects are gone: ${names(missing)}`,
      fix,
    };
  }
  if (changed.length > 0) {
    yield {
      level: "fail",
      text: `${changed.length} live objects were changed by others: ${names(changed)}`,
      fix,
    };
  }
  if (unlike.length > 0) {
    yield {
      level: "warn",
      text: `${unlike.length} live objects are not stored as the config says: ${names(unlike)}`,
      fix: "Objects keep what they were sent with: give them new content, or see whether the server knows the setting.",
    };
  }
  const whole = release.files.length - missing.length - changed.length;
  yield {
    level: "ok",
    text: `${whole} of ${release.files.length} live objects are as they were deployed`,
  };
}

function names(all: readonly string[]): string {
  const sorted = all.toSorted();
  const more = sorted.length - MOST_NAMES;
  return `${sorted.slice(0, MOST_NAMES).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
