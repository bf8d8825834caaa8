import { type S3Bucket, type SandboxKeyValues } from "@lockstep/testkit";
import { cloudFrontFunctions } from "../../src/index.ts";
import type { CloudFrontOptions, S3Options } from "../../src/index.ts";
import { optionsFor, type Server } from "../world.ts";
import { Edge, type Visit } from "./edge.ts";

/** Options of a site behind the router. */
export function routedOptions(
  {
    server,
    store,
  }: { readonly server: Server; readonly store: Pick<SandboxKeyValues, "arn" | "endpoint"> },
  more: Partial<Omit<S3Options, "cloudfront">> & { readonly cloudfront?: CloudFrontOptions } = {},
): S3Options {
  const { cloudfront, ...rest } = more;
  return optionsFor(server, "shop", {
    ...rest,
    cloudfront: { keyValueStore: store.arn, endpoint: store.endpoint, ...cloudfront },
  });
}

/** What visitors get: every page that they may ask for, with all that pages name; null when nothing is live. */
export async function siteAt(
  values: ReadonlyMap<string, string>,
  objects: S3Bucket,
  { site = "site", ...visit }: Visit & { readonly site?: string } = {},
): Promise<unknown> {
  const edge = new Edge(cloudFrontFunctions({ site, previews: "preview.example.com" }), {
    values,
    objects,
  });
  const seen: unknown[] = [];
  const needed = new Set<string>();
  for (const uri of PAGES) {
    const { status, body, headers } = await edge.visit(uri, visit);
    if (status === 503) return null;
    seen.push([uri, status, body, headers["content-type"], headers["cache-control"]]);
    for (const [, name = ""] of body.matchAll(/(?:src|href)="([^"]+)"/g)) needed.add(name);
  }
  for (const uri of [...needed].toSorted()) {
    const { status, body } = await edge.visit(uri, visit);
    seen.push([uri, status, body]);
  }
  return seen;
}

const PAGES = ["/", "/about/", "/about", "/old", "/new", "/style.css", "/same.txt", "/nothing"];
