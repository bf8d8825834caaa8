import { type Finding, isLockstepError, type ReadContext } from "@lockstep/plugin";
import { accessFindings } from "../access-findings.ts";
import { plain } from "../errors.ts";
import type { RoutedConnection } from "./connection.ts";
import { LARGEST_STORE } from "./key-values.ts";
import { liveOf, type Position } from "./position.ts";
import { ROUTER_PATH, ROUTER_VERSION } from "./router.ts";

/** Milliseconds for one question. */
const TIMEOUT_MS = 10_000;

/** Share of the store from which on people are warned. */
const NEARLY_FULL = 0.8;

/** Looks at the store, at what is live, and at the router as visitors meet it. Changes nothing. */
export async function* doctor(ctx: ReadContext<RoutedConnection>): AsyncGenerator<Finding> {
  const { switchboard, values, settings } = ctx.connection;
  let position: Position;
  try {
    position = await switchboard.read(ctx);
  } catch (error) {
    if (!isLockstepError(error)) throw error;
    const { message: text, hint } = error;
    yield { level: "fail", text, ...(hint === undefined ? {} : { fix: hint }) };
    return;
  }
  yield { level: "ok", text: `${values.name} answers and knows the account` };
  yield await bucketFinding(ctx);
  const { bucket } = ctx.connection;
  const place = { name: bucket.name, bucket: settings.bucket.bucket, prefix: settings.prefix };
  yield* accessFindings(await bucket.access(ctx), { ...place, isRouted: true });
  const live = liveOf(position);
  yield { level: "ok", text: `${live ?? "No release"} is live` };
  const { bytes } = await values.describe(ctx);
  if (bytes > NEARLY_FULL * LARGEST_STORE) {
    yield {
      level: "warn",
      text: `${values.name} holds ${bytes} of ${LARGEST_STORE} bytes`,
      fix: "Keep fewer releases (`keep`), or give each site a store of its own.",
    };
  }
  const url = settings.check?.url;
  if (url === undefined) {
    const text = "Whether the router is installed was not looked at: there is no `check.url`";
    yield { level: "warn", text };
  } else yield await routerFinding(url, ctx.signal);
}

/** Without the right to list, nothing is ever removed, and what is missing is answered as forbidden. */
async function bucketFinding({
  connection,
  signal,
}: ReadContext<RoutedConnection>): Promise<Finding> {
  const { bucket, layout } = connection;
  try {
    for await (const _ of bucket.list(layout.releases, { signal })) break;
    return { level: "ok", text: `${bucket.name} answers and knows the account` };
  } catch (error) {
    if (!isLockstepError(error)) throw error;
    const { message: text, hint } = error;
    return { level: "fail", text, ...(hint === undefined ? {} : { fix: hint }) };
  }
}

async function routerFinding(url: string, signal: AbortSignal): Promise<Finding> {
  const fix =
    "Write both functions of `cloudFrontFunctions()` to the distribution: the docs page of the target says how.";
  const found = await answerOf(`${new URL(url).origin}${ROUTER_PATH}`, signal);
  if (found === undefined) return { level: "warn", text: `${url} does not answer from here` };
  const version = /^lockstep-router\/(\d+) /.exec(found)?.[1];
  if (version === undefined) {
    return { level: "fail", text: `The router is not installed in front of ${url}`, fix };
  }
  const isCurrent = version === String(ROUTER_VERSION);
  return isCurrent
    ? { level: "ok", text: `${plain(found.trim())} is installed in front of ${url}` }
    : {
        level: "fail",
        text: `Router ${version} is installed, and ${ROUTER_VERSION} is needed`,
        fix,
      };
}

async function answerOf(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, {
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    return (await response.text()).slice(0, 100);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
