import { createHash } from "node:crypto";
import vm from "node:vm";
import type { S3Bucket } from "@lockstep/testkit";
import type { RouterCode } from "../../src/cloudfront/router.ts";

/** What the bucket says of what is missing, to who may list it. */
export const NOT_THERE = "<Error><Code>NoSuchKey</Code></Error>";

/** A visitor's question. */
export interface Visit {
  readonly method?: string;
  readonly host?: string;
  readonly cookies?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
}

/** What a visitor gets. */
export interface Served {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly cookie: string | undefined;
}

/** The request or the answer, as CloudFront gives them to functions. */
interface EdgeRequest {
  readonly method: string;
  uri: string;
  readonly headers: Record<string, { value: string }>;
  readonly cookies: Record<string, { value: string }>;
  readonly querystring: Record<string, { value: string }>;
}

interface EdgeResponse {
  statusCode: number;
  readonly headers: Record<string, { value: string }>;
  readonly cookies?: Record<string, { value: string; attributes: string }>;
  readonly body?: { readonly data: string };
}

type Handler = (event: object) => Promise<EdgeRequest | EdgeResponse> | EdgeResponse;

/** One place of CloudFront: both functions as they are generated, a cache, and the bucket behind it. */
export class Edge {
  readonly #request: Handler;
  readonly #response: Handler;
  readonly #objects: S3Bucket;
  /** What was fetched, by what the functions made of the URL: nothing else is part of the key. */
  readonly cache: Map<string, EdgeResponse & { readonly bytes: Buffer }> = new Map();
  /** How often the store was read. */
  reads = 0;

  constructor(
    code: RouterCode,
    world: { readonly values: ReadonlyMap<string, string>; readonly objects: S3Bucket },
  ) {
    const get = async (key: string): Promise<string> => {
      this.reads += 1;
      const value = world.values.get(key);
      if (value === undefined) throw new Error("KeyNotFound");
      return value;
    };
    this.#request = handlerOf(code.viewerRequest, { kvs: () => ({ get }) });
    this.#response = handlerOf(code.viewerResponse, {});
    this.#objects = world.objects;
  }

  /** What the function makes of a visit: a path in the bucket, or its own answer. */
  async route(uri: string, visit: Visit = {}): Promise<EdgeRequest | EdgeResponse> {
    const { method = "GET", host = "shop.example.com", cookies = {}, query = {} } = visit;
    const request: EdgeRequest = {
      method,
      uri,
      headers: { host: { value: host } },
      cookies: valued(cookies),
      querystring: valued(query),
    };
    return this.#request({ version: "1.0", request });
  }

  async visit(uri: string, visit: Visit = {}): Promise<Served> {
    const routed = await this.route(uri, visit);
    if ("statusCode" in routed) return servedOf(routed, Buffer.from(routed.body?.data ?? ""));
    const fetched = this.cache.get(routed.uri) ?? this.#fetch(routed.uri);
    const { bytes, ...response } = fetched;
    if (response.statusCode >= 400) return servedOf(response, bytes); // no function sees these
    this.cache.set(routed.uri, fetched);
    const given = (await this.#response({ request: routed, response: { ...response } })) as
      | EdgeResponse
      | undefined;
    if (given === undefined) throw new Error("the second function gave nothing");
    return servedOf(given, visit.method === "HEAD" ? Buffer.alloc(0) : bytes);
  }

  #fetch(uri: string): EdgeResponse & { readonly bytes: Buffer } {
    const found = this.#objects.get(decodeURIComponent(uri.slice(1)));
    if (found === undefined) {
      return { statusCode: 404, headers: {}, bytes: Buffer.from(NOT_THERE) };
    }
    return { statusCode: 200, headers: valued(found.headers), bytes: Buffer.from(found.body) };
  }
}

/** Runs code as it stands, but for its imports: a script has none. */
function handlerOf(code: string, cf: object): Handler {
  const script = code
    .replace("import cf from 'cloudfront';", "")
    .replace("import crypto from 'crypto';", "");
  const context = vm.createContext({ cf, crypto: { createHash } });
  return vm.runInContext(`"use strict";${script}\nhandler`, context) as Handler;
}

function valued(pairs: Readonly<Record<string, string>>): Record<string, { value: string }> {
  return Object.fromEntries(Object.entries(pairs).map(([name, value]) => [name, { value }]));
}

function servedOf({ statusCode, headers, cookies }: EdgeResponse, bytes: Buffer): Served {
  const [cookie] = Object.values(cookies ?? {});
  return {
    status: statusCode,
    headers: Object.fromEntries(Object.entries(headers).map(([name, { value }]) => [name, value])),
    body: bytes.toString(),
    cookie: cookie && `${cookie.value}; ${cookie.attributes}`,
  };
}
