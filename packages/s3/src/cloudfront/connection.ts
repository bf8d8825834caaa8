import type { TargetContext } from "@lockstep/plugin";
import { openConnection, type S3Connection } from "../connection.ts";
import type { S3Settings } from "../options.ts";
import { openKeyValues } from "./aws-key-values.ts";
import type { KeyValues } from "./key-values.ts";
import type { RouterSettings } from "./options.ts";
import { type Routes, routesOf } from "./routes.ts";
import { openSwitchboard, type Switchboard } from "./switchboard.ts";

/** What the calls of one run share in front of CloudFront. */
export interface RoutedConnection extends S3Connection {
  readonly values: KeyValues;
  readonly switchboard: Switchboard;
  /** Routes that the store was seen to hold, with their tables. */
  readonly announced: Set<string>;
  /** Key of an asset, the same for all releases. */
  asset(path: string): string;
  /** Key of a document of a release. */
  document(ref: string, path: string): string;
  /** What the router needs of a release. */
  routes(ref: string, signal?: AbortSignal): Promise<Routes>;
}

/** Prepares a connection. Loads the SDK; opens no socket. */
export async function openRouted(
  settings: S3Settings,
  router: RouterSettings,
  ctx: TargetContext,
): Promise<RoutedConnection> {
  const connection = await openConnection(settings, ctx);
  const values = await openKeyValues(settings, router, ctx);
  const known = new Map<string, Routes>();
  const { prefix } = settings;
  return Object.assign(connection, {
    values,
    switchboard: openSwitchboard(values, router.name),
    announced: new Set<string>(),
    asset: (path: string) => `${prefix}p/${path}`,
    document: (ref: string, path: string) => `${prefix}r/${ref.replace("sha256:", "")}/${path}`,
    async routes(ref: string, signal?: AbortSignal) {
      const routes = known.get(ref) ?? routesOf(await connection.release(ref, signal), prefix);
      known.set(ref, routes);
      return routes;
    },
    async [Symbol.asyncDispose]() {
      await values[Symbol.asyncDispose]();
      await connection.bucket[Symbol.asyncDispose]();
    },
  });
}
