import { readFile, rm } from "node:fs/promises";
import type { LookupFunction } from "node:net";
import { resolve } from "node:path";
import type { TargetContext } from "@lockstep/plugin";
import { createKnownTags, type KnownTags } from "./anchors.ts";
import { type Found, writtenCredentials } from "./auth/credentials.ts";
import { dockerCredentials } from "./auth/docker-config.ts";
import { ecrApi, ecrCredentials, type EcrLogin, ecrTagsStay } from "./auth/ecr.ts";
import { githubCredentials } from "./auth/github.ts";
import type { Asking } from "./client/asking.ts";
import { type Client, createClient } from "./client/client.ts";
import { AFTER_CHECK_MS, BEFORE_PLAN_MS, createGlance, type Glance } from "./glance.ts";
import type { RawManifest } from "./image/model.ts";
import { createPace, type Pace } from "./net/pace.ts";
import { networkPolicy } from "./net/policy.ts";
import { proxiesOf } from "./net/proxy.ts";
import { createTransport, type Transport } from "./net/transport.ts";
import type { RegistrySettings } from "./options.ts";
import { parseReference, parseRepository, type Repository } from "./reference.ts";
import { makeSpool } from "./spool.ts";

/** What the calls of one run share. */
export interface RegistryConnection extends AsyncDisposable {
  readonly settings: RegistrySettings;
  /** What a call of the runner asks the registry with. */
  asking(ctx: TargetContext): Asking;
  /** A folder for compressed layers, made when first needed, gone with the connection. */
  spool(): Promise<string>;
  /** What a name always stands for: made once. A failure is forgotten. */
  once<T>(name: string, make: () => Promise<T>): Promise<T>;
  /** Manifests that tags pointed at when the run was planned, by digest. */
  readonly seen: Map<string, RawManifest>;
  /** Tags of the repository, as far as this run has looked. */
  readonly tags: KnownTags;
  /** What tags point at, from a look to the plan that follows it. */
  readonly glance: Glance;
  /** What tags point at, from the check of a run to the look at its end. */
  readonly checked: Glance;
  /** To be called before tags are moved: what was seen of them is history. */
  beforeMoves(): void;
  /** Whether no tag can be moved: the config says so, or the registry does where it can be asked. */
  tagsStay(call: TargetContext): Promise<boolean>;
  /** Where a repository is read: its mirror, where one is set. */
  mirrorOf(repository: Repository): Repository;
  /** Requests sent so far. */
  readonly requests: number;
}

const ANONYMOUS: Found = {
  credentials: undefined,
  origin: "nobody (anonymous)",
  searched: ["the config: its auth is anonymous"],
};

/** Prepares a connection. Reads certificates; opens no socket. */
export async function openConnection(
  settings: RegistrySettings,
  ctx: TargetContext,
  lookup?: LookupFunction,
): Promise<RegistryConnection> {
  const { client, send } = await makeClient(settings, ctx, lookup);
  const made = new Map<string, Promise<unknown>>();
  let folder: Promise<string> | undefined;
  const glance = createGlance(ctx, BEFORE_PLAN_MS);
  const checked = createGlance(ctx, AFTER_CHECK_MS);
  return {
    settings,
    seen: new Map(),
    tags: createKnownTags(),
    glance,
    checked,
    beforeMoves() {
      glance.forget();
      checked.forget();
    },
    get requests() {
      return client.transport.requests;
    },
    asking: (call) => ({ client, ctx: call }),
    spool: () => (folder ??= makeSpool(ctx.now())),
    once<T>(name: string, make: () => Promise<T>): Promise<T> {
      const known = made.get(name) as Promise<T> | undefined;
      if (known !== undefined) return known;
      const fresh = make();
      made.set(name, fresh);
      fresh.catch(() => made.delete(name));
      return fresh;
    },
    tagsStay: (call) => tagsStay(call, settings, send),
    mirrorOf(repository) {
      const mirror = settings.network.mirrors[repository.registry];
      if (mirror === undefined) return repository;
      return parseRepository(`${mirror}/${repository.path}`) ?? repository;
    },
    async [Symbol.asyncDispose]() {
      await client.transport[Symbol.asyncDispose]();
      if (folder !== undefined) await rm(await folder, { recursive: true, force: true });
    },
  };
}

async function tagsStay(
  call: TargetContext,
  { auth, repository, immutableTags }: RegistrySettings,
  send: EcrLogin["send"],
): Promise<boolean> {
  if (immutableTags || typeof auth !== "object" || !("ecr" in auth)) return immutableTags;
  const api = ecrApi(auth.ecr, repository.host);
  if (api === undefined) return false;
  // an account may push and yet not look: then the registry says it when a tag is moved
  return ecrTagsStay(call, { api, repository, send }).catch(() => false);
}

async function makeClient(
  settings: RegistrySettings,
  ctx: TargetContext,
  lookup: LookupFunction | undefined,
): Promise<{ readonly client: Client; readonly send: EcrLogin["send"] }> {
  const { network, limits, repository } = settings;
  const read = (path: string | undefined): Promise<string> | undefined =>
    path === undefined ? undefined : readFile(resolve(ctx.folder, path), "utf8");
  const transport = createTransport({
    policy: networkPolicy(namedHosts(settings), network),
    ca: await read(network.ca),
    cert: await read(network.cert),
    key: network.key === undefined ? undefined : await ctx.secret(network.key),
    proxies: proxiesOf(ctx.env),
    idleMs: limits.idleMs,
    lookup,
  });
  const pace = createPace(limits);
  const send = sendsOf(transport, pace);
  const client = createClient({
    transport,
    pace,
    isPlain: (host) => network.plainHttp && namedHosts(settings).has(host),
    trustedRealms: network.trustedRealms,
    pushed: repository,
    async find(call, wanted) {
      const { auth } = settings;
      if (wanted.host !== repository.host || auth === "docker")
        return dockerCredentials(call, wanted);
      if (auth === "anonymous") return ANONYMOUS;
      if (auth === "github") return githubCredentials(call);
      if (!("ecr" in auth)) return writtenCredentials(auth, call);
      const api = ecrApi(auth.ecr, repository.host);
      if (api === undefined) throw new TypeError(`${repository.host} has no region`);
      return ecrCredentials(call, { api, repository, send });
    },
  });
  return { client, send };
}

/** Requests that go to no registry: without redirects to elsewhere, tried again where that helps. */
function sendsOf(transport: Transport, pace: Pace): EcrLogin["send"] {
  return (ctx, exchange) =>
    pace.steadily(ctx, exchange.url.host, () =>
      transport.send({ ...exchange, signal: ctx.signal }),
    );
}

/** Every host that stands in the config. */
function namedHosts({ repository, source, network, auth }: RegistrySettings): Set<string> {
  const image = "base" in source ? source.base : "image" in source ? source.image : "";
  const mirrors = Object.values(network.mirrors).map((mirror) => mirror.split("/")[0] ?? "");
  const realms = network.trustedRealms.map((realm) =>
    // `auth.example.com:5000` alone would be read as a scheme
    realm.includes("://") ? (URL.parse(realm)?.host ?? realm) : realm,
  );
  const read = parseReference(image)?.repository.host;
  const api =
    typeof auth === "object" && "ecr" in auth ? ecrApi(auth.ecr, repository.host) : undefined;
  const asked = [read, api?.url.host].filter((host) => host !== undefined);
  return new Set([repository.host, ...mirrors, ...realms, ...asked]);
}
