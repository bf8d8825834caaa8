import { type Finding, isLockstepError, type ReadContext } from "@lockstep/plugin";
import { getManifest } from "./client/manifests.ts";
import type { RegistryConnection } from "./connection.ts";
import { doubtsAbout, refuseReader } from "./guards.ts";
import { nameOf, parseReference } from "./reference.ts";
import { readTags } from "./tags.ts";

/**
 * Looks whether the registry answers and lets us in, whether the login may push where its token says so, what in the
 * image looks like a secret, and whether the base has moved on.
 */
export async function* doctor(ctx: ReadContext<RegistryConnection>): AsyncGenerator<Finding> {
  const { connection } = ctx;
  const { settings } = connection;
  const asking = connection.asking(ctx);
  const tags = await readTags(asking, settings.repository, settings.tags);
  const there = [...tags.values()].filter((raw) => raw !== null).length;
  yield {
    level: "ok",
    text: `${nameOf(settings.repository)} answers; ${there} of ${tags.size} tags exist.`,
  };
  yield* rights(ctx);
  for (const text of doubtsAbout(settings)) {
    yield { level: "warn", text, fix: "Give it to the container when it is started." };
  }
  yield* baseDrift(ctx);
}

async function* rights(ctx: ReadContext<RegistryConnection>): AsyncGenerator<Finding> {
  try {
    await refuseReader(ctx.connection, ctx);
  } catch (error) {
    if (!isLockstepError(error)) throw error;
    const { message: text, hint: fix } = error;
    yield { level: "fail", text, ...(fix === undefined ? {} : { fix }) };
  }
}

async function* baseDrift(ctx: ReadContext<RegistryConnection>): AsyncGenerator<Finding> {
  const { connection } = ctx;
  const asking = connection.asking(ctx);
  const { source } = connection.settings;
  const base = "base" in source ? parseReference(source.base) : undefined;
  if (base?.tag === undefined || base.digest === undefined) return;
  const place = connection.mirrorOf(base.repository);
  const now = await getManifest(asking, place, base.tag);
  const name = `${nameOf(base.repository)}:${base.tag}`;
  if (now === undefined || now.digest === base.digest) {
    yield { level: "ok", text: `The base is what ${name} points at.` };
    return;
  }
  yield {
    level: "warn",
    text: `The base ${name} points at ${now.digest} now; the config pins ${base.digest}.`,
    fix: "Pin the new digest to get what was mended since.",
  };
}
