import type { Json } from "@lockstep/plugin";
import {
  describeStepContract,
  describeTargetContract,
  type RegistryQuirks,
  type SandboxRegistry,
  type StepCase,
  startSandboxRegistry,
} from "@lockstep/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import type { RegistryConnection } from "../src/index.ts";
import { filesOf, ONE, Shop, TWO } from "./world.ts";

const QUIRKS: readonly (readonly [string, RegistryQuirks])[] = [
  ["a registry that does everything", { multiTag: true, referrers: true, relativeLocations: true }],
  ["one that deletes digests alone", { deletes: "digests" }],
];

describe.each(QUIRKS)("on %s", (_name, quirks) => {
  let server: SandboxRegistry;
  let count = 0;
  beforeAll(async () => {
    server = await startSandboxRegistry({ quirks });
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  describeStepContract("registry.stage", () => stepCase("stage"));
  describeStepContract("registry.activate", () => stepCase("activate"));

  describeTargetContract("registry", async () => {
    const shop = await open();
    const name = nameOf(shop);
    return {
      target: shop.target,
      folder: shop.folder,
      build: (version) => shop.build(filesOf(version)),
      observe: async () => live(name),
      foreignEdit: async () => pushByHand(name),
      dispose: () => shop[Symbol.asyncDispose](),
    };
  });

  function open(): Promise<Shop> {
    count += 1;
    const repository = `${server.host}/acme/shop-${count}`;
    return Shop.open({
      repository,
      tags: ["latest", "1.4", "1"],
      atomicTags: quirks.multiTag === true,
    });
  }

  function nameOf({ connection }: Shop): string {
    return connection.settings.repository.path;
  }

  /** What users get: the tags, as the registry holds them, with what could not be pulled. */
  function live(name: string): unknown {
    const tags = Object.entries(server.store.tags(name)).filter(
      ([tag]) => !tag.startsWith("release-"),
    );
    if (tags.length === 0) return null;
    return tags.map(([tag, digest]) => [tag, digest, server.store.missing(name, tag)]);
  }

  async function pushByHand(name: string): Promise<void> {
    const repository = server.store.repository(name);
    const digest = `sha256:${"f".repeat(64)}`;
    const bytes = Buffer.from('{"schemaVersion":2,"by":"hand"}');
    repository.manifests.set(digest, {
      bytes,
      mediaType: "application/vnd.oci.image.index.v1+json",
    });
    for (const tag of ["latest", "1.4", "1"]) repository.tags.set(tag, digest);
  }

  async function stepCase(
    phase: "stage" | "activate",
  ): Promise<StepCase<Json, Json, Json, RegistryConnection>> {
    const shop = await open();
    const name = nameOf(shop);
    await shop.deploy(ONE, filesOf("one"));
    await shop.build(filesOf("two"));
    const plan = await shop.plan(TWO);
    if (phase === "activate") await shop.apply(shop.stepOf(plan, "stage"));
    const step = shop.stepOf(plan, phase);
    return {
      handler: shop.handlerOf(step),
      connection: shop.connection,
      input: step.input,
      context: shop.context(),
      ...(phase === "stage" ? { undo: "leave" } : {}),
      foreignEdit:
        phase === "stage" ? "content by digest cannot be changed" : () => pushByHand(name),
      snapshot: async () => ({
        tags: server.store.tags(name),
        manifests:
          [...server.store.repository(name).manifests.keys()].length > (phase === "stage" ? 1 : 99),
      }),
      dispose: () => shop[Symbol.asyncDispose](),
    };
  }
});
