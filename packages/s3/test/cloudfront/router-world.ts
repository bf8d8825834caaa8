import type { S3Object } from "@lockstep/testkit";
import { encodeRoute, type Route } from "../../src/cloudfront/route.ts";
import { cloudFrontFunctions } from "../../src/cloudfront/router.ts";
import { routesOf } from "../../src/cloudfront/routes.ts";
import { type SiteFile, siteRelease } from "../../src/release.ts";
import { Edge } from "./edge.ts";

/** The asset of the world, in the pool. */
export const SCRIPT: string = "assets/app.3f9c2d1a.js";
/** Documents of a small site. */
export const PATHS: readonly string[] = [
  "index.html",
  "404.html",
  "about.html",
  "docs/index.html",
  "docs/a b.html",
  "docs/ü.html",
  "feed.xml",
  "img/photo.0123456a.png",
  ".well-known/security.txt",
];

/** One release, as the store and the bucket hold it. */
export interface RouterWorld {
  readonly route: Route;
  readonly values: Map<string, string>;
  readonly objects: Map<string, S3Object>;
  /** Prefix of the documents. */
  readonly documents: string;
}

/** A world with one release: every object says its key. */
export function worldOf(
  paths: readonly string[],
  redirects: Readonly<Record<string, string>> = {},
): RouterWorld {
  const file = (path: string, headers: Record<string, string>, inPlace = false): SiteFile => ({
    path,
    sha256: "0".repeat(64),
    size: 1,
    headers,
    inPlace,
  });
  const release = siteRelease([
    ...paths.map((path) => file(path, path === "404.html" ? MARKED : {})),
    ...Object.entries(redirects).map(([path, target]) => {
      const [, status, to = target] = /^(\d{3}) (.*)$/.exec(target) ?? [];
      const marked = status === undefined ? {} : { "x-amz-meta-lockstep-status": status };
      return file(path, { "x-amz-website-redirect-location": to, ...marked });
    }),
    file(SCRIPT, {}, true),
  ]);
  const { route, table } = routesOf(release, "");
  const values = new Map<string, string>([["site", encodeRoute(route)]]);
  for (const [name, value] of table) values.set(`site.t.${route.table}.${name}`, value);
  const objects = new Map<string, S3Object>();
  const put = (key: string, headers: Record<string, string>): void => {
    objects.set(key, { body: Buffer.from(key), etag: '"1"', headers, modifiedMs: 0 });
  };
  for (const path of paths) put(`r/${route.id}/${path}`, path === "404.html" ? MARKED : {});
  put(`p/${SCRIPT}`, {});
  put(".lockstep/current.json", {});
  return { route, values, objects, documents: `r/${route.id}/` };
}

const MARKED = { "x-amz-meta-lockstep-status": "404" };

/** A place of CloudFront in front of it. */
export function edgeOf(world: RouterWorld): Edge {
  return new Edge(cloudFrontFunctions({ previews: "preview.example.com" }), world);
}
