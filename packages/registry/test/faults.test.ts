import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Json, TargetPlan } from "@lockstep/plugin";
import { isLockstepError } from "@lockstep/plugin";
import {
  type RegistryQuirks,
  type RegistryRequest,
  type SandboxRegistry,
  startSandboxRegistry,
} from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RegistryOptions } from "../src/index.ts";
import { digestIn, filesOf, ONE, Shop, THREE, TWO } from "./world.ts";

const TAGS = ["1.4", "1", "edge", "latest"];

let server: SandboxRegistry;
let shop: Shop;

beforeEach(async () => {
  server = await startSandboxRegistry();
  shop = await open();
});
afterEach(async () => {
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function open(options: Partial<RegistryOptions> = {}): Promise<Shop> {
  return Shop.open({ repository: `${server.host}/acme/shop`, tags: TAGS, ...options });
}

/** What users can pull: digest by tag, anchors left out; a tag that cannot be pulled says so. */
function live(): Record<string, string> {
  const tags = Object.entries(server.store.tags("acme/shop")).filter(([tag]) => TAGS.includes(tag));
  return Object.fromEntries(
    tags.map(([tag, digest]) => {
      const missing = server.store.missing("acme/shop", tag);
      return [tag, missing.length === 0 ? digest : `broken: ${missing.join(", ")}`];
    }),
  );
}

function answer(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, { ...headers, "content-length": 0 });
  response.end();
  return true;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return isLockstepError(error) ? error.code : String(error);
}

describe("trouble that passes", () => {
  const ENDPOINTS: readonly (readonly [string, (request: RegistryRequest) => boolean])[] = [
    ["reading a tag", ({ method, path }) => method === "GET" && path.endsWith("/manifests/latest")],
    ["opening an upload", ({ method, path }) => method === "POST" && path.endsWith("/uploads/")],
    ["sending a blob", ({ method, path }) => method === "PUT" && path.includes("/uploads/")],
    [
      "storing a manifest",
      ({ method, path }) => method === "PUT" && path.includes("/manifests/sha256:"),
    ],
    ["moving a tag", ({ method, path }) => method === "PUT" && path.endsWith("/manifests/latest")],
  ];

  it.each(ENDPOINTS)("is tried again: %s", async (_name, isMeant) => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      let left = 2;
      server.fault = (request, { response }) => {
        if (!isMeant(request) || left === 0) return false;
        left -= 1;
        return answer(response, status, { "retry-after": "0" });
      };

      await shop.deploy(
        { ...ONE, id: `20261121T101${status}Z-00000001` },
        filesOf(`after ${status}`),
      );

      expect(left, String(status)).toBe(0);
      expect(new Set(Object.values(live())).size, String(status)).toBe(1);
    }
  });

  it("is waited for as long as the registry asks, by every request to it", async () => {
    let openAt = 0;
    const early: string[] = [];
    server.fault = ({ method, path }, { response }) => {
      if (openAt === 0 && method === "POST") {
        openAt = Date.now() + 1000;
        return answer(response, 429, { "retry-after": "1" });
      }
      // what was sent before the registry has asked may still arrive
      if (openAt - 700 > 0 && Date.now() > openAt - 700 && Date.now() < openAt) {
        early.push(`${method} ${path}`);
      }
      return false;
    };

    await shop.deploy(ONE, filesOf("one"));

    expect(Date.now()).toBeGreaterThanOrEqual(openAt);
    expect(early).toEqual([]);
  });

  it.each([
    ["seconds", "9999"],
    ["a date", new Date(Date.now() + 7_200_000).toUTCString()],
  ])("is not waited for when the registry asks for too long, in %s", async (_name, value) => {
    server.fault = (_request, { response }) => answer(response, 429, { "retry-after": value });
    await shop.build(filesOf("one"));

    await expect(shop.plan(ONE)).rejects.toMatchObject({ code: "REGISTRY_BUSY", retryable: true });
    expect(server.requests).toHaveLength(1);
  });

  it.each(["nonsense", "-5", ""])(
    "is tried again soon when the pause asked for is %j",
    async (value) => {
      let left = 1;
      server.fault = (_request, { response }) => {
        if (left === 0) return false;
        left -= 1;
        return answer(response, 503, { "retry-after": value });
      };

      await shop.deploy(ONE, filesOf("one"));

      expect(left).toBe(0);
    },
  );

  it.each([
    [3, "undefined"],
    [99, "REGISTRY_ANSWER"],
  ])("that a registry tells of a manifest with 400, %i times, ends so: %s", async (times, ends) => {
    let told = 0;
    server.fault = ({ method, path }, { response }) => {
      if (method !== "PUT" || !path.includes("/manifests/") || told === times) return false;
      told += 1;
      response.writeHead(400, { "content-type": "application/json" });
      response.end('{"errors":[{"code":"TOOMANYREQUESTS"}]}');
      return true;
    };

    expect(await codeOf(shop.deploy(ONE, filesOf("one")))).toBe(ends);
    expect(told).toBe(Math.min(times, 5));
  });

  it("ends in an error that names the request, and no tag has moved", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const start = live();
    server.fault = ({ method, path }, { response }) =>
      method === "PUT" && path.includes("/uploads/") ? answer(response, 500) : false;
    await shop.build(filesOf("two"));
    const plan = await shop.plan(TWO);

    await expect(shop.apply(shop.stepOf(plan, "stage"))).rejects.toMatchObject({
      code: "REGISTRY_ANSWER",
      message: expect.stringMatching(
        /PUT http:.*\/blobs\/uploads\/[^?]* was answered 500\./,
      ) as string,
    });
    expect(live()).toEqual(start);
  });
});

describe("a blob on its way", () => {
  const BIG = {
    ...filesOf("one"),
    "big.bin": Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at * 31) & 255)),
  };

  it.each([0, 1, 65_536, "last"] as const)(
    "is sent again when the connection is cut at byte %s",
    async (at) => {
      let cuts = 0;
      server.fault = async ({ method, path, headers }, { message, response }) => {
        if (method !== "PUT" || !path.includes("/uploads/") || cuts === 3) return false;
        const size = Number(headers["content-length"]);
        const end = at === "last" ? size - 1 : Math.min(at, size - 1);
        let got = 0;
        for await (const chunk of message as AsyncIterable<Uint8Array>) {
          got += chunk.length;
          if (got > end) break;
        }
        cuts += 1;
        message.destroy();
        response.destroy();
        return true;
      };

      await shop.deploy(ONE, BIG);

      expect(cuts).toBe(3);
      expect(new Set(Object.values(live())).size).toBe(1);
    },
  );

  it.each([404, 416])("begins anew when its session is answered with %i", async (status) => {
    let left = 2;
    server.fault = ({ method, path }, { response }) => {
      if (method !== "PUT" || !path.includes("/uploads/") || left === 0) return false;
      left -= 1;
      return answer(response, status);
    };

    await shop.deploy(ONE, filesOf("one"));

    expect(left).toBe(0);
  });

  it.each([
    ["BLOB_UPLOAD_INVALID", 3, "arrived"],
    ["BLOB_UPLOAD_UNKNOWN", 3, "arrived"],
    ["TOOMANYREQUESTS", 3, "arrived"],
    ["DIGEST_INVALID", 1, "REGISTRY_ANSWER"],
  ])(
    "that is answered 400 with %s is sent %i times, and ends so: %s",
    async (code, times, ends) => {
      const sent = new Map<string | null, number>();
      server.fault = ({ method, path, query }, { response }) => {
        if (method !== "PUT" || !path.includes("/uploads/")) return false;
        const digest = query.get("digest");
        const count = (sent.get(digest) ?? 0) + 1;
        sent.set(digest, count);
        if (count === 3) return false;
        response.writeHead(400, { "content-type": "application/json" });
        response.end(JSON.stringify({ errors: [{ code, message: "not now" }] }));
        return true;
      };

      const outcome = await codeOf(shop.deploy(ONE, filesOf("one")));

      expect(outcome === "undefined" ? "arrived" : outcome).toBe(ends);
      expect(new Set(sent.values())).toEqual(new Set([times]));
    },
  );

  it("is given up when every session is lost, with the registry's own words", async () => {
    server.fault = ({ method, path }, { response }) => {
      if (method !== "PUT" || !path.includes("/uploads/")) return false;
      response.writeHead(404, { "content-type": "application/json" });
      response.end(
        JSON.stringify({
          errors: [{ code: "BLOB_UPLOAD_UNKNOWN", message: "no such\u001b[31m upload" }],
        }),
      );
      return true;
    };

    await expect(shop.deploy(ONE, filesOf("one"))).rejects.toMatchObject({
      code: "REGISTRY_ANSWER",
      message: expect.stringContaining("BLOB_UPLOAD_UNKNOWN: no such [31m upload") as string,
    });
  });

  it.each(["ignored", 401, 403, 405, 500] as const)(
    "is uploaded when a mount is answered with %s",
    async (mount) => {
      await using base = await Shop.open({
        repository: `${server.host}/acme/base`,
        source: { directory: "dist", base: "scratch", into: "/" },
      });
      const { outputs } = await base.deploy(ONE, {
        "etc/os-release": "ID=nothing\n",
        "node_modules/dep/index.js": "// two layers\n",
      });
      server.quirks = { mount };
      await using above = await open({
        source: {
          directory: "dist",
          base: `${server.host}/acme/base@${digestIn(outputs)}`,
        },
        limits: { backoffMs: 1, retries: 0, uploads: 1 },
      });

      await above.deploy(ONE, filesOf("one"));

      const mounts = server.requests.filter(({ query }) => query.has("mount"));
      // a mount that is not there is no refusal: the next blob may be
      expect(mounts).toHaveLength(mount === "ignored" ? 2 : 1);

      expect(new Set(Object.values(live())).size).toBe(1);
      expect(Object.values(live())[0]).toMatch(/^sha256:/);
    },
  );
});

describe("a registry that is wrong", () => {
  it("loses a blob it had: it gets it again before the manifest is stored", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const { blobs } = server.store.repository("acme/shop");
    await shop.build(filesOf("two"));
    await using later = await open();
    await later.build(filesOf("two"));
    const plan = await later.plan(TWO);
    const config = [...blobs].find(([, bytes]) => bytes.toString().startsWith("{"))?.[0];
    for (const digest of blobs.keys()) if (digest !== config) blobs.delete(digest);

    await later.apply(later.stepOf(plan, "stage"));
    await later.apply(later.stepOf(plan, "activate"));

    expect(Object.values(live()).every((digest) => digest === plan.outputs?.["digest"])).toBe(true);
  });

  it("stores other bytes than it was sent: it is found before a tag moves", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const start = live();
    await shop.build(filesOf("two"));
    const plan = await shop.plan(TWO);
    server.fault = ({ method, path }, { response }) => {
      if (method !== "GET" || !path.endsWith(digestIn(plan.outputs))) return false;
      response.writeHead(200, { "content-type": "application/vnd.oci.image.manifest.v1+json" });
      response.end('{"schemaVersion":2}');
      return true;
    };

    expect(await codeOf(shop.apply(shop.stepOf(plan, "stage")))).toBe("REGISTRY_CONTENT");
    expect(live()).toEqual(start);
  });

  it("says another digest than that of the bytes: nothing goes on", async () => {
    server.fault = ({ method, path }, { response }) =>
      method === "PUT" && path.includes("/manifests/")
        ? answer(response, 201, { "docker-content-digest": `sha256:${"0".repeat(64)}` })
        : false;

    expect(await codeOf(shop.deploy(ONE, filesOf("one")))).toBe("REGISTRY_CONTENT");
  });

  it("accepts a manifest without its blobs: a deep verification finds it", async () => {
    server.quirks = { credulous: true };
    await using deep = await open({ verify: "blobs" });
    await deep.build(filesOf("one"));
    const plan = await deep.plan(ONE);
    await deep.apply(deep.stepOf(plan, "stage"));
    server.store.repository("acme/shop").blobs.clear();
    await deep.apply(deep.stepOf(plan, "activate"));

    expect(await deep.check(plan)).toEqual(["fail: it does not"]);
  });

  it.each([["manifest", 5 * 1024 * 1024]])(
    "sends a %s of %i bytes: it is not read to its end",
    async (_name, size) => {
      server.fault = (_request, { response }) => {
        response.writeHead(200, { "content-type": "application/vnd.oci.image.index.v1+json" });
        response.end(Buffer.alloc(size, " "));
        return true;
      };
      await shop.build(filesOf("one"));

      expect(await codeOf(shop.plan(ONE))).toBe("REGISTRY_ANSWER_LARGE");
    },
  );

  it("does not answer when the tags are read back: nobody knows, and nothing is judged", async () => {
    await using run = await open({ limits: { backoffMs: 1, retries: 1 } });
    const plan = await run.deploy(ONE, filesOf("one"));
    server.fault = (_request, { response }) => answer(response, 503);

    expect((await run.check(plan))[0]).toMatch(/^inconclusive: GET .* was answered 503/);
    server.fault = (_request, { response }) => {
      response.destroy();
      return true;
    };
    expect((await run.check(plan))[0]).toMatch(/^inconclusive: .* cannot be reached/);
  });

  it.each([
    ["lists itself under other names", 5, 1],
    ["lists a million images", 1, 20_000],
  ])("%s: the source is refused", async (_name, depth, width) => {
    const repository = server.store.repository("acme/hostile");
    const mediaType = "application/vnd.oci.image.index.v1+json";
    let digest = `sha256:${"0".repeat(64)}`;
    for (let level = 0; level < depth; level += 1) {
      const bytes = Buffer.from(
        JSON.stringify({
          manifests: Array.from({ length: width }, () => ({ mediaType, digest, size: 1 })),
        }),
      );
      digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      repository.manifests.set(digest, { bytes, mediaType });
    }
    await using run = await open({ source: { image: `${server.host}/acme/hostile@${digest}` } });

    expect(await codeOf(run.plan(ONE))).toBe("REGISTRY_SOURCE");
  });

  it.each(["nothing", "the text of another one", "no base64"] as const)(
    "refers to a layer by a false label, and holds %s in the place of its config: only digests computed here are trusted",
    async (held) => {
      await shop.deploy(ONE, filesOf("one"));
      const repository = server.store.repository("acme/shop");
      const forged = Buffer.from(
        '{"rootfs":{"type":"layers","diff_ids":[]},"lockstep":"the same input, believe me"}',
      );
      for (const [digest, bytes] of repository.blobs) {
        if (bytes.toString().startsWith('{"architecture"')) repository.blobs.set(digest, forged);
      }
      const shown = server.store.manifest("acme/shop", "latest");
      const { config, ...rest } = JSON.parse(String(shown?.bytes)) as { readonly config: object };
      const data = {
        nothing: undefined,
        "the text of another one": forged.toString("base64"),
        "no base64": "=",
      }[held];
      const bytes = Buffer.from(JSON.stringify({ ...rest, config: { ...config, data } }));
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      repository.manifests.set(digest, { bytes, mediaType: shown?.mediaType ?? "" });
      for (const tag of TAGS) repository.tags.set(tag, digest);
      await using later = await open();
      await later.build(filesOf("two"));

      expect(await codeOf(later.plan(TWO))).toBe("REGISTRY_CONTENT");
    },
  );

  it("says of a layer what it was made of: a layer is known by the digest of its archive alone", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const repository = server.store.repository("acme/shop");
    const shown = server.store.manifest("acme/shop", "latest");
    const { layers, ...rest } = JSON.parse(String(shown?.bytes)) as {
      readonly layers: readonly object[];
    };
    const evil = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", size: 4 };
    const digest = `sha256:${createHash("sha256").update("evil").digest("hex")}`;
    repository.blobs.set(digest, Buffer.from("evil"));
    const labels = { "dev.lockstep.input": "the same", "org.opencontainers.image.title": "app" };
    const bytes = Buffer.from(
      JSON.stringify({
        ...rest,
        layers: layers.map(() => ({ ...evil, digest, annotations: labels })).slice(1),
      }),
    );
    const root = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    repository.manifests.set(root, { bytes, mediaType: shown?.mediaType ?? "" });
    for (const tag of TAGS) repository.tags.set(tag, root);
    await using later = await open();
    const plan = await later.deploy(TWO, filesOf("one"));

    const pushed = String(repository.manifests.get(digestIn(plan.outputs))?.bytes);
    expect(pushed).not.toContain(digest);
    expect(plan.changes.filter(({ what }) => what.startsWith("layer "))).toHaveLength(3);
  });
});

describe("tags", () => {
  async function staged(
    options: Partial<RegistryOptions> = {},
  ): Promise<{ at: Shop; plan: TargetPlan }> {
    const at = await open(options);
    await at.build(filesOf("two"));
    const plan = await at.plan(TWO);
    await at.apply(at.stepOf(plan, "stage"));
    return { at, plan };
  }

  it.each(["before", "after"] as const)(
    "that somebody moves after the plan, %s the run looks at them, stop the run before any has moved",
    async (when) => {
      await shop.deploy(ONE, filesOf("one"));
      const { at, plan } = await staged();
      await using run = at;
      const step = run.stepOf(plan, "activate");
      const inspect = (): Promise<Json> => run.handlerOf(step).inspect(step.input, run.context());
      const early = when === "after" ? await inspect() : undefined;
      const { tags, manifests } = server.store.repository("acme/shop");
      tags.set("edge", `sha256:${"e".repeat(64)}`);
      manifests.set(`sha256:${"e".repeat(64)}`, {
        bytes: Buffer.from("{}"),
        mediaType: "application/vnd.oci.image.manifest.v1+json",
      });
      const start = server.store.tags("acme/shop");
      const before = early ?? (await inspect());

      expect(await codeOf(run.handlerOf(step).apply(step.input, before, run.context()))).toBe(
        "STEP_CONFLICT",
      );
      expect(await run.revert(step, before)).toBe("conflict");
      expect(server.store.tags("acme/shop")).toEqual(start);
    },
  );

  it("are read anew by a process that did not plan, and put back as well", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const start = live();
    const { at, plan } = await staged();
    await using run = at;
    const step = run.stepOf(plan, "activate");
    await using later = await open();
    const before = await later.handlerOf(step).inspect(step.input, later.context());
    expect(before).toEqual(await run.handlerOf(step).inspect(step.input, run.context()));

    await later.handlerOf(step).apply(step.input, before, later.context());
    expect(await later.revert(step, before)).toBe("restored");
    expect(live()).toEqual(start);
  });

  it("that cannot go back are named, and keep no other from going back", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const start = live();
    await using run = await open({ limits: { backoffMs: 1, retries: 1 } });
    await run.build(filesOf("two"));
    const plan = await run.plan(TWO);
    await run.apply(run.stepOf(plan, "stage"));
    const step = run.stepOf(plan, "activate");
    const before = await run.apply(step);
    server.fault = ({ method, path }, { response }) =>
      method === "PUT" && path.endsWith("/manifests/edge") ? answer(response, 500) : false;

    const failure: unknown = await run.revert(step, before)?.catch((error: unknown) => error);

    const repository = `${server.host}/acme/shop`;
    expect(String(failure)).toContain("/manifests/edge was answered 500");
    expect(String(failure)).toContain(
      `${repository}:edge was last seen at ${digestIn(plan.outputs)}; before the run it pointed at ${start["edge"]}.`,
    );

    expect({ ...live(), edge: start["edge"] }).toEqual(start);
    server.fault = undefined;
    expect(await run.revert(step, before)).toBe("restored");
    expect(live()).toEqual(start);
  });

  it("are looked at again before a move is repeated: a lost reply is no reason to overwrite", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const { at, plan } = await staged();
    await using run = at;
    const hotfix = `sha256:${"d".repeat(64)}`;
    const repository = server.store.repository("acme/shop");
    repository.manifests.set(hotfix, {
      bytes: Buffer.from("{}"),
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    server.fault = ({ method, path }, { response }) => {
      if (method !== "PUT" || !path.endsWith("/manifests/edge")) return false;
      repository.tags.set("edge", hotfix);
      return answer(response, 503);
    };

    expect(await codeOf(run.apply(run.stepOf(plan, "activate")))).toBe("STEP_CONFLICT");
    expect(server.store.tags("acme/shop")["edge"]).toBe(hotfix);
  });

  it("are all looked at again before a move of all together is repeated", async () => {
    await shop.deploy(ONE, filesOf("one"));
    server.quirks = { multiTag: true };
    await using run = await open({ atomicTags: true });
    await run.build(filesOf("two"));
    const plan = await run.plan(TWO);
    await run.apply(run.stepOf(plan, "stage"));
    const repository = server.store.repository("acme/shop");
    const hotfix = `sha256:${"d".repeat(64)}`;
    repository.manifests.set(hotfix, {
      bytes: Buffer.from("{}"),
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    server.fault = ({ method, query }, { response }) => {
      if (method !== "PUT" || query.getAll("tag").length === 0) return false;
      repository.tags.set("edge", hotfix);
      return answer(response, 503);
    };

    expect(await codeOf(run.apply(run.stepOf(plan, "activate")))).toBe("STEP_CONFLICT");
    expect(server.store.tags("acme/shop")["edge"]).toBe(hotfix);
  });

  it.each([false, true])(
    "that never move are not refused to their own image when a reply was lost (all together: %s)",
    async (atomicTags) => {
      server.quirks = { immutableTags: true, multiTag: true };
      await using run = await open({ atomicTags, tags: ["1.4.1", "1.4.1-slim"] });
      await run.build(filesOf("one"));
      const plan = await run.plan(ONE);
      await run.apply(run.stepOf(plan, "stage"));
      const { tags } = server.store.repository("acme/shop");
      let lost = 0;
      server.fault = ({ method, path, query }, { response }) => {
        const moving = [...query.getAll("tag"), path.slice(path.lastIndexOf("/") + 1)];
        const wanted = moving.filter((tag) => tag.startsWith("1.4.1"));
        if (method !== "PUT" || wanted.length === 0 || lost > 0) return false;
        for (const tag of wanted) tags.set(tag, digestIn(plan.outputs));
        lost += 1;
        return answer(response, 503);
      };

      await run.apply(run.stepOf(plan, "activate"));

      expect(lost).toBe(1);
      expect(await run.check(plan)).toEqual(["pass"]);
    },
  );

  it("that were moved before one failed go back, and the ones behind it stay", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const start = server.store.tags("acme/shop");
    const { at, plan } = await staged();
    await using run = at;
    const step = run.stepOf(plan, "activate");
    const before = await run.handlerOf(step).inspect(step.input, run.context());
    server.fault = ({ method, path }, { response }) =>
      method === "PUT" && path.endsWith("/manifests/edge") ? answer(response, 403) : false;

    expect(await codeOf(run.handlerOf(step).apply(step.input, before, run.context()))).toBe(
      "REGISTRY_FORBIDDEN",
    );
    server.fault = undefined;
    expect(await run.revert(step, before)).toBe("restored");
    expect(server.store.tags("acme/shop")).toEqual(start);
  });

  it("that somebody moved meanwhile are left alone by a revert, and the others go back", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const [old] = Object.values(live());
    const { at, plan } = await staged();
    await using run = at;
    const step = run.stepOf(plan, "activate");
    const before = await run.apply(step);
    const hotfix = `sha256:${"d".repeat(64)}`;
    const repository = server.store.repository("acme/shop");
    repository.manifests.set(hotfix, {
      bytes: Buffer.from("{}"),
      mediaType: "application/vnd.oci.image.manifest.v1+json",
    });
    repository.tags.set("edge", hotfix);

    expect(await run.revert(step, before)).toBe("conflict");

    const { edge, ...others } = server.store.tags("acme/shop");
    expect(edge).toBe(hotfix);
    expect([others["1"], others["1.4"], others["latest"]]).toEqual([old, old, old]);
  });

  it.each<readonly [string, RegistryQuirks]>([
    ["tags", { deletes: "tags" }],
    ["digests alone", { deletes: "digests" }],
  ])(
    "that did not exist are gone after a revert where %s can be deleted",
    async (_name, quirks) => {
      server.quirks = quirks;
      const { at, plan } = await staged();
      await using run = at;
      const step = run.stepOf(plan, "activate");
      const before = await run.apply(step);

      expect(await run.revert(step, before)).toBe("restored");

      expect(server.store.tags("acme/shop")).toEqual({});
    },
  );

  it("that cannot be removed are named, and stay as they were", async () => {
    server.quirks = { deletes: "nothing" };
    const { at, plan } = await staged();
    await using run = at;
    const step = run.stepOf(plan, "activate");
    const before = await run.apply(step);
    const start = live();

    await expect(run.revert(step, before)).rejects.toMatchObject({
      code: "REGISTRY_TAG_STAYS",
      message: expect.stringMatching(/shop:latest .*shop:1 .*shop:1\.4 /) as string,
    });
    expect(live()).toEqual(start);
  });

  it("that are set to be immutable are refused in the plan where the config says so", async () => {
    await shop.deploy(ONE, filesOf("one"));
    await using run = await open({ immutableTags: true });
    await run.build(filesOf("two"));

    expect(await codeOf(run.plan(TWO))).toBe("REGISTRY_TAG_IMMUTABLE");
  });

  it("that turn out to be immutable give a clear error, and the same digest is no move", async () => {
    await shop.deploy(ONE, filesOf("one"));
    server.quirks = { immutableTags: true };
    const { at, plan } = await staged();
    await using run = at;

    expect(await codeOf(run.apply(run.stepOf(plan, "activate")))).toBe("REGISTRY_TAG_IMMUTABLE");
    await using same = await open();
    await same.build(filesOf("one"));
    expect((await same.plan(THREE)).steps).toEqual([]);
  });

  it("move together in one request where the registry says which it moved", async () => {
    server.quirks = { multiTag: true };
    await using run = await open({ atomicTags: true });
    await run.deploy(ONE, filesOf("one"));

    const moves = server.requests.filter(
      ({ method, path }) => method === "PUT" && path.includes("/manifests/"),
    );
    expect(moves.filter(({ query }) => query.getAll("tag").length === 4)).toHaveLength(1);
    expect(Object.keys(live())).toHaveLength(4);
  });

  it("move one by one, latest last, where the registry does not know better", async () => {
    await using run = await open({ atomicTags: true });
    await run.deploy(ONE, filesOf("one"));

    const moves = server.requests
      .filter(({ method, path }) => method === "PUT" && /\/manifests\/(?!sha256)/.test(path))
      .map(({ path }) => path.slice(path.lastIndexOf("/") + 1));
    const [digest = ""] = Object.values(live());
    const anchor = `release-20261121T101500Z.${digest.slice("sha256:".length)}`;
    expect(moves).toEqual([anchor, "1.4", "1", "edge", "latest"]);
  });

  it("are not moved back to an older build, unless that is allowed", async () => {
    await shop.deploy({ ...ONE, order: 200, commit: "b".repeat(40) }, filesOf("two"));
    await using run = await open();
    await run.build(filesOf("one"));

    await expect(run.plan({ ...TWO, order: 100 })).rejects.toMatchObject({
      code: "REGISTRY_NEWER",
      message: expect.stringContaining(
        `revision ${"b".repeat(40)} of order 200, this release is 100`,
      ) as string,
    });
    await using allowed = await open({ newestWins: false });
    await allowed.build(filesOf("one"));
    expect((await allowed.plan({ ...TWO, order: 100 })).steps).not.toEqual([]);
  });

  it("keep each image that another tool had made live, in a tag that goes with the run that is put back", async () => {
    await shop.deploy(ONE, filesOf("one"));
    const repository = server.store.repository("acme/shop");
    const [[, ours] = ["", undefined]] = [...repository.manifests];
    repository.tags.clear();
    const foreign = ["a", "b"].map((author) => {
      const value = JSON.parse(String(ours?.bytes)) as object;
      const bytes = Buffer.from(JSON.stringify({ ...value, annotations: { author } }));
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      repository.manifests.set(digest, { bytes, mediaType: ours?.mediaType ?? "" });
      return digest;
    });
    for (const [index, tag] of TAGS.entries()) repository.tags.set(tag, foreign[index % 2] ?? "");
    const start = server.store.tags("acme/shop");
    const { at, plan } = await staged();
    await using run = at;
    const step = run.stepOf(plan, "activate");

    const before = await run.apply(step);

    const kept = Object.entries(server.store.tags("acme/shop")).filter(([tag]) =>
      tag.startsWith("release-20261121T101501Z.before."),
    );
    expect(kept.map(([, digest]) => digest).toSorted()).toEqual(foreign.toSorted());
    for (const [tag, digest] of kept) expect(tag).toContain(digest.slice("sha256:".length));
    expect(await run.revert(step, before)).toBe("restored");
    expect(server.store.tags("acme/shop")).toEqual(start);
  });

  it("of old releases go only where they are ours", async () => {
    await using other = await open({ tags: ["latest"] });
    await other.deploy(ONE, filesOf("zero"));
    const repository = server.store.repository("acme/shop");
    const [digest = "", manifest] = [...repository.manifests][0] ?? [];
    repository.tags.clear();
    repository.tags.set("latest", digest);
    repository.tags.set("release-notes", digest);
    const foreign = Buffer.from(
      JSON.stringify({ ...JSON.parse(String(manifest?.bytes)), annotations: {} }),
    );
    repository.manifests.set(`sha256:${"a".repeat(64)}`, {
      bytes: foreign,
      mediaType: manifest?.mediaType ?? "",
    });
    await using first = await open({ keep: 2, tags: ["latest"] });
    const digests: string[] = [];
    for (const second of ["10", "11", "12", "13"]) {
      const createdAt = `2026-11-21T10:20:${second}Z`;
      await first.deploy({ ...ONE, id: `r${second}`, createdAt }, filesOf(second));
      digests.push(server.store.tags("acme/shop")["latest"]?.slice("sha256:".length) ?? "");
    }

    expect(Object.keys(server.store.tags("acme/shop"))).toEqual([
      "latest",
      `release-20261121T102012Z.${digests[2]}`,
      `release-20261121T102013Z.${digests[3]}`,
      "release-notes",
    ]);
    expect((await first.live())[0]?.kept).toHaveLength(1);
  });
});
