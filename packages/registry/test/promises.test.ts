import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { canonicalJson } from "@lockstep/plugin";
import { type SandboxRegistry, startSandboxRegistry } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RegistryOptions } from "../src/index.ts";
import { digestIn, filesOf, ONE, Shop, THREE, TWO } from "./world.ts";

const NAME = "acme/shop";
const TAGS = ["1.4", "1", "latest"];

let server: SandboxRegistry;
beforeEach(async () => {
  server = await startSandboxRegistry();
});
afterEach(async () => server[Symbol.asyncDispose]());

function open(options: Partial<RegistryOptions> = {}): Promise<Shop> {
  return Shop.open({ repository: `${server.host}/${NAME}`, tags: TAGS, ...options });
}

function live(): readonly (string | undefined)[] {
  const tags = server.store.tags(NAME);
  return TAGS.map((tag) => tags[tag]);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Release one was live, the tags of release two have just moved and are not checked. */
async function movedTwice(shop: Shop) {
  await shop.deploy(ONE, filesOf("one"));
  const [before] = live();
  await shop.build(filesOf("two"));
  const plan = await shop.plan(TWO);
  await shop.apply(shop.stepOf(plan, "stage"));
  const step = shop.stepOf(plan, "activate");
  return { before, plan, step, saved: await shop.apply(step) };
}

/** Somebody else points a tag at an image of theirs. */
function moveByHand(tag: string): string {
  const bytes = Buffer.from('{"schemaVersion":2,"by":"hand"}');
  const { tags, manifests } = server.store.repository(NAME);
  manifests.set(sha256(bytes), { bytes, mediaType: "application/vnd.oci.image.index.v1+json" });
  tags.set(tag, sha256(bytes));
  return sha256(bytes);
}

describe("what a registry says besides", () => {
  it.each(["0-0", "0-17", "bytes=9-3"])(
    "of how much it has of an upload, %s, is not asked: a blob goes in one piece",
    async (range) => {
      const sent: (string | undefined)[] = [];
      server.fault = ({ method, path, headers }, { response }) => {
        if (path.includes("/uploads/")) response.setHeader("range", range);
        if (method === "PATCH" || headers["content-range"] !== undefined) sent.push(method);
        return false;
      };
      await using shop = await open();
      const { outputs } = await shop.deploy(ONE, filesOf("one"));

      expect(new Set(live())).toEqual(new Set([digestIn(outputs)]));
      expect(sent).toEqual([]);
    },
  );

  it("in cookies is never sent back", async () => {
    const cookies: (string | undefined)[] = [];
    server.fault = ({ headers }, { response }) => {
      cookies.push(headers.cookie);
      response.setHeader("set-cookie", "session=canary; Path=/");
      return false;
    };
    await using shop = await open();
    await shop.deploy(ONE, filesOf("one"));

    expect(cookies.length).toBeGreaterThan(5);
    expect(new Set(cookies)).toEqual(new Set([undefined]));
  });

  it("of an error in 16 MiB is not read to its end, and the error is told without it", async () => {
    let taken = 0;
    server.fault = ({ method }, { response }) => {
      if (method !== "PUT") return false;
      response.writeHead(400, { "content-type": "application/json" });
      const piece = Buffer.alloc(64 * 1024, "x");
      const more = (): void => {
        while (taken < 256 && !response.destroyed) {
          taken += 1;
          if (!response.write(piece)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
      return true;
    };
    await using shop = await open();

    await expect(shop.deploy(ONE, filesOf("one"))).rejects.toMatchObject({
      code: "REGISTRY_ANSWER",
      message: expect.stringMatching(/^PUT \S+ was answered 400\.$/) as string,
    });
    expect(taken).toBeLessThan(256);
  });
});

describe("a tag that somebody moves in the middle", () => {
  it("after it was moved fails the check, and the way back leaves it and takes the others", async () => {
    await using shop = await open();
    const { before, plan, step, saved } = await movedTwice(shop);
    const theirs = moveByHand("1");

    expect(await shop.check(plan)).toEqual([`fail: 1 is ${theirs}`]);
    expect(await shop.revert(step, saved)).toBe("conflict");
    expect(live()).toEqual([before, theirs, before]);
  });

  it("between the look and the move is overwritten, as no registry refuses that; the image stays", async () => {
    await using shop = await open();
    await shop.deploy(ONE, filesOf("one"));
    await shop.build(filesOf("two"));
    const plan = await shop.plan(TWO);
    let theirs = "";
    server.fault = ({ method, path }) => {
      if (method === "PUT" && path.endsWith("/manifests/latest")) theirs = moveByHand("latest");
      return false;
    };
    await shop.apply(shop.stepOf(plan, "stage"));
    await shop.apply(shop.stepOf(plan, "activate"));

    expect(new Set(live())).toEqual(new Set([digestIn(plan.outputs)]));
    expect(server.store.repository(NAME).manifests.has(theirs)).toBe(true);
  });
});

describe("a tag that somebody removed", () => {
  it("can be pointed again at every release that is kept", async () => {
    await using shop = await open({ tags: ["1.4", "latest"] });
    const one = digestIn((await shop.deploy(ONE, filesOf("one"))).outputs);
    const two = digestIn((await shop.deploy(TWO, filesOf("two"))).outputs);
    const { tags } = server.store.repository("acme/shop");
    for (const tag of ["1.4", "latest"]) tags.delete(tag);
    await using later = await open({ tags: ["1.4", "latest"] });

    expect(await later.live()).toEqual([{ ref: null, kept: [two, one] }]);
    const plan = await later.planReturn([{ ref: one, kept: [] }]);
    await later.apply(later.stepOf(plan, "activate"));

    expect(await later.check(plan)).toEqual(["pass"]);
    expect((await later.live())[0]?.ref).toBe(one);
  });
});

describe("what is live", () => {
  const reads = (): number =>
    server.requests.filter(({ method, path }) => method === "GET" && path.endsWith("/latest"))
      .length;

  it("at the end of a run is what its check has read, and is read anew after that or when tags go back", async () => {
    await using shop = await open();
    const { before, plan, step, saved } = await movedTwice(shop);
    await shop.check(plan);

    const start = reads();
    expect((await shop.live())[0]?.ref).toBe(digestIn(plan.outputs));
    expect(reads()).toBe(start);
    const theirs = moveByHand("latest");
    expect((await shop.live())[0]?.ref).toMatchObject({ tags: { latest: theirs } });

    moveByHand("latest");
    server.store.repository(NAME).tags.set("latest", digestIn(plan.outputs));
    await shop.check(plan);
    expect(await shop.revert(step, saved)).toBe("restored");
    expect((await shop.live())[0]?.ref).toBe(before);
  });
});

describe("a layer of somebody else", () => {
  it("that is a bomb is passed on as it is: nothing here unpacks it", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const config = Buffer.from(
      canonicalJson({
        architecture: "amd64",
        os: "linux",
        config: {},
        rootfs: { type: "layers", diff_ids: [`sha256:${"0".repeat(64)}`] },
      }),
    );
    const type = "application/vnd.oci.image";
    const manifest = Buffer.from(
      canonicalJson({
        schemaVersion: 2,
        mediaType: `${type}.manifest.v1+json`,
        config: {
          mediaType: `${type}.config.v1+json`,
          digest: sha256(config),
          size: config.length,
        },
        layers: [
          { mediaType: `${type}.layer.v1.tar+gzip`, digest: sha256(bomb), size: bomb.length },
        ],
      }),
    );
    await using shop = await open({ source: { ociLayout: "layout" } });
    const blobs = join(shop.folder, "layout/blobs/sha256");
    await mkdir(blobs, { recursive: true });
    for (const bytes of [bomb, config, manifest]) {
      await writeFile(join(blobs, sha256(bytes).slice("sha256:".length)), bytes);
    }
    const entry = {
      mediaType: `${type}.manifest.v1+json`,
      digest: sha256(manifest),
      size: manifest.length,
    };
    await writeFile(
      join(shop.folder, "layout/index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: [entry] }),
    );
    const start = process.memoryUsage().arrayBuffers;
    await shop.deploy(ONE);

    expect(new Set(live())).toEqual(new Set([sha256(manifest)]));
    expect(server.store.repository(NAME).blobs.get(sha256(bomb))).toEqual(bomb);
    expect(process.memoryUsage().arrayBuffers - start).toBeLessThan(32 * 1024 * 1024);
  });

  it("is not even read where it is part of a base in the same registry", async () => {
    await using base = await Shop.open({
      repository: `${server.host}/acme/base`,
      source: { directory: "dist", base: "scratch", into: "/" },
    });
    const { outputs } = await base.deploy(ONE, { "etc/os-release": "ID=x\n" });
    const first = server.requests.length;
    await using shop = await open({
      source: { directory: "dist", base: `${server.host}/acme/base@${digestIn(outputs)}` },
    });
    await shop.deploy(TWO, filesOf("one"));

    const layer = [...server.store.repository("acme/base").blobs].find(
      ([, bytes]) => bytes[0] === 0x1f,
    )?.[0];
    const read = server.requests
      .slice(first)
      .filter(({ method, path }) => method === "GET" && path.endsWith(String(layer)));
    expect(layer).toMatch(/^sha256:/);
    expect(read).toEqual([]);
  });
});

describe("between plan and push", () => {
  it("a base whose tag moves on is still the one of the digest, and its name is kept", async () => {
    await using base = await Shop.open({
      repository: `${server.host}/acme/base`,
      source: { directory: "dist", base: "scratch", into: "/" },
    });
    const pinned = digestIn((await base.deploy(ONE, { "etc/os-release": "ID=x\n" })).outputs);
    await using shop = await open({
      source: { directory: "dist", base: `${server.host}/acme/base:latest@${pinned}` },
    });
    await shop.build(filesOf("one"));
    const plan = await shop.plan(TWO);
    await base.deploy(THREE, { "etc/os-release": "ID=y\n" });
    const first = server.requests.length;

    await shop.apply(shop.stepOf(plan, "stage"));
    await shop.apply(shop.stepOf(plan, "activate"));

    expect(new Set(live())).toEqual(new Set([digestIn(plan.outputs)]));
    const asked = server.requests.slice(first).map(({ path }) => path);
    expect(asked.filter((path) => path.endsWith("/acme/base/manifests/latest"))).toEqual([]);
    const manifest = server.store.repository(NAME).manifests.get(digestIn(plan.outputs));
    expect(JSON.parse(String(manifest?.bytes))).toMatchObject({
      annotations: { "org.opencontainers.image.base.digest": pinned },
    });
  });

  it("a file that changes ends the push, and no tag has moved", async () => {
    await using shop = await open();
    await shop.deploy(ONE, filesOf("one"));
    const start = live();
    await shop.build(filesOf("two"));
    const plan = await shop.plan(TWO);
    await writeFile(join(shop.folder, "dist/server.js"), "// six\n");

    await expect(shop.apply(shop.stepOf(plan, "stage"))).rejects.toMatchObject({
      code: "SOURCE_CHANGED",
    });
    expect(live()).toEqual(start);
  });
});

describe("names of files", () => {
  it.each(["new\nline", "tab\there", "back\\slash"])(
    "such as %j are refused by path",
    async (name) => {
      await using shop = await open();
      await shop.build({ ...filesOf("one"), [name]: "x" });

      await expect(shop.plan(ONE)).rejects.toMatchObject({ code: "SOURCE_REFUSED" });
    },
  );

  it("that are not UTF-8 are refused", async () => {
    await using shop = await open();
    await shop.build(filesOf("one"));
    const name = Buffer.concat([
      Buffer.from(join(shop.folder, "dist/")),
      Buffer.from([0xff, 0xfe]),
    ]);
    await writeFile(name, "x");

    await expect(shop.plan(ONE)).rejects.toMatchObject({ code: "SOURCE_REFUSED" });
  });
});
