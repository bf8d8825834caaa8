import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, link, mkdir, readdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Artifact } from "@lockstep/artifact";
import type { TargetPlan } from "@lockstep/plugin";
import { type SandboxRegistry, startSandboxRegistry } from "@lockstep/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { refuseNames } from "../src/image/layer-artifact.ts";
import type { DirectorySource } from "../src/index.ts";
import { parseReference, parseRepository } from "../src/reference.ts";
import { digestIn, filesOf, ONE, Shop, THREE, TWO } from "./world.ts";

let server: SandboxRegistry;
beforeEach(async () => {
  server = await startSandboxRegistry();
});
afterEach(async () => server[Symbol.asyncDispose]());

function open(name: string, source: Partial<DirectorySource> = {}): Promise<Shop> {
  return Shop.open({
    repository: `${server.host}/acme/${name}`,
    source: { directory: "dist", base: "scratch", ...source },
  });
}

/** Names of the layers of an image, from the bottom. */
function layersOf(name: string): string[] {
  const manifest = JSON.parse(String(server.store.manifest(name, "latest")?.bytes)) as {
    readonly config: { readonly digest: string };
  };
  const config = JSON.parse(
    String(server.store.repository(name).blobs.get(manifest.config.digest)),
  ) as { readonly history: readonly { readonly created_by: string }[] };
  return config.history.map((entry) => entry.created_by);
}

describe("the bytes of an image", () => {
  it("are these, on every machine and every version of Node", async () => {
    await using shop = await open("golden", {
      run: { cmd: ["node", "server.js"], env: { B: "2", A: "1" } },
    });
    await shop.build({ ...filesOf("one"), "bin/run.sh": "#!/bin/sh\n" });
    await symlink("../server.js", join(shop.folder, "dist/bin/link.js"));

    expect(digestIn((await shop.plan(ONE)).outputs)).toMatchInlineSnapshot(
      `"sha256:94331740cf477834f7599da5fe9885bb3570f2742d53db726608cc44c3b60c5b"`,
    );
  });

  it("do not depend on times, masks, the order on disk or hard links", async () => {
    const digests: string[] = [];
    for (const turn of [1, 2]) {
      await using shop = await open(`same-${turn}`);
      const files = Object.entries(filesOf("one"));
      await shop.build(Object.fromEntries(turn === 1 ? files : files.toReversed()));
      const dist = join(shop.folder, "dist");
      await chmod(join(dist, "server.js"), turn === 1 ? 0o600 : 0o664);
      await utimes(join(dist, "server.js"), turn * 1000, turn * 1000);
      await chmod(join(dist, "public"), turn === 1 ? 0o700 : 0o777);
      if (turn === 1) await writeFile(join(dist, "twin.js"), "// one\n");
      else await link(join(dist, "server.js"), join(dist, "twin.js"));
      digests.push(digestIn((await shop.plan(ONE)).outputs));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it("hold the revision, and the same content is not deployed again for another one", async () => {
    await using shop = await open("revision");
    await shop.deploy({ ...ONE, commit: "a".repeat(40), order: 1 }, filesOf("one"));

    expect((await shop.plan({ ...TWO, commit: "b".repeat(40), order: 2 })).steps).toEqual([]);
    await shop.deploy({ ...THREE, commit: "c".repeat(40), order: 3 }, filesOf("two"));
    const { annotations } = JSON.parse(
      String(server.store.manifest("acme/revision", "latest")?.bytes),
    ) as { readonly annotations: object };
    expect(annotations).toMatchObject({
      "org.opencontainers.image.revision": "c".repeat(40),
      "dev.lockstep.order": "3",
    });
  });
});

describe("layers", () => {
  it("of a Node project are split by how often they change", async () => {
    await using shop = await open("node");
    await shop.build({
      ...filesOf("one"),
      "node_modules/huge/data.bin": Buffer.alloc(9 << 20, "h"),
      "node_modules/.cache/x": "noise",
      "packages/shared/index.js": "shared\n",
      "node_modules/copied/index.js": "from a folder\n",
      "package-lock.json": JSON.stringify({
        packages: {
          "node_modules/copied": { resolved: "file:copied" },
          "node_modules/dep": { integrity: "sha512-AA==" },
          "node_modules/huge": { integrity: "sha512-AA==" },
        },
      }),
    });
    await symlink("../packages/shared", join(shop.folder, "dist/node_modules/shared"));
    await shop.deploy(ONE);

    expect(layersOf("acme/node")).toEqual([
      "lockstep: dependencies",
      "lockstep: package huge",
      "lockstep: workspace",
      "lockstep: assets",
      "lockstep: app",
    ]);
  });

  it("of a Node project keep a budget: the three largest packages alone, the others together", async () => {
    await using shop = await open("budget");
    const sizes = { a: 8, b: 9, "@big/c": 10, d: 11, e: 7 };
    const packages = Object.entries(sizes).map(
      ([name, mebibytes]) =>
        [`node_modules/${name}/data.bin`, Buffer.alloc(mebibytes << 20, name)] as const,
    );
    await shop.deploy(ONE, { ...filesOf("one"), ...Object.fromEntries(packages) });

    expect(layersOf("acme/budget")).toEqual([
      "lockstep: dependencies",
      "lockstep: package d",
      "lockstep: package @big/c",
      "lockstep: package b",
      "lockstep: assets",
      "lockstep: app",
    ]);
  });

  it("that did not change are neither compressed nor sent", async () => {
    await using shop = await open("reuse");
    await shop.deploy(ONE, {
      ...filesOf("one"),
      "node_modules/dep/big.bin": Buffer.alloc(3 << 20, "b"),
    });
    await using later = await open("reuse");
    await later.build({
      ...filesOf("two"),
      "node_modules/dep/big.bin": Buffer.alloc(3 << 20, "b"),
    });
    const before = server.requests.length;

    const plan = await later.plan(TWO);
    const compressed = await readdir(await later.connection.spool());
    await later.apply(later.stepOf(plan, "stage"));

    expect(compressed).toHaveLength(1);
    expect(plan.unchanged).toBe(2);
    expect(plan.changes.map(({ what }) => what.replace(/ sha256:.*/, ""))).toEqual([
      "layer app",
      "config",
      "tag latest from",
    ]);
    const sent = server.requests
      .slice(before)
      .filter(({ path, method }) => method === "PUT" && path.includes("/uploads/"));
    expect(sent).toHaveLength(2);
    expect(
      sent.reduce((sum, { headers }) => sum + Number(headers["content-length"]), 0),
    ).toBeLessThan(64 * 1024);
  });

  it("may be chosen: each takes what its rules name, the rest is the application", async () => {
    await using shop = await open("chosen", {
      layers: [
        { name: "vendor", include: ["node_modules/"] },
        { name: "styles", include: ["*.css"] },
      ],
    });
    await shop.deploy(ONE, filesOf("one"));

    expect(layersOf("acme/chosen")).toEqual([
      "lockstep: vendor",
      "lockstep: styles",
      "lockstep: app",
    ]);
  });

  it("refuse names that would delete files of the base", async () => {
    await using shop = await open("whiteout");
    await shop.build({ ...filesOf("one"), "public/.wh.index.html": "" });

    await expect(shop.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_SOURCE",
      message: expect.stringContaining("public/.wh.index.html") as string,
    });
  });

  it("refuse a name that no file system takes, as a commit may have one: of more than 255 bytes", () => {
    const named = (name: string): Pick<Artifact, "manifest"> => ({
      manifest: [
        {
          type: "file",
          path: `docs/${name}`,
          mode: 0o644,
          size: 0,
          digest: `sha256:${"0".repeat(64)}`,
        },
      ],
    });

    expect(() => refuseNames("dist", named("ä".repeat(128)))).toThrow(
      /more than 255 bytes: docs\/ä/,
    );
    expect(() => refuseNames("dist", named(`${"ä".repeat(127)}a`))).not.toThrow();
  });

  it("refuse secrets and links that leave the source, as every target does", async () => {
    await using shop = await open("guards");
    await shop.build({ ...filesOf("one"), ".env": "TOKEN=1\n" });
    await symlink("/etc/passwd", join(shop.folder, "dist/passwd"));

    await expect(shop.plan(ONE)).rejects.toMatchObject({ code: "SOURCE_REFUSED" });
  });
});

describe("the config of an image", () => {
  it("that looks like it holds a secret is told in the plan, and by doctor", async () => {
    const labels = { "com.example.password": "canary" };
    await using shop = await Shop.open({
      repository: `${server.host}/acme/doubts`,
      source: {
        directory: "dist",
        base: "scratch",
        run: { env: { API_TOKEN: "canary", PORT: "1" }, labels },
      },
      annotations: { "com.example.client-secret": "canary", "com.example.team": "shop" },
    });
    await shop.build(filesOf("one"));

    const { changes } = await shop.plan(ONE);

    expect(changes.map(({ what }) => what).find((what) => what.startsWith("config"))).toMatch(
      / \(API_TOKEN, com\.example\.password: looks like a secret, and everybody who can pull can read it\)$/,
    );
    const found = [];
    for await (const { level, text } of shop.target.doctor?.(shop.context()) ?? [])
      if (level === "warn") found.push(`${text}\n`);
    expect(found).toEqual(shop.lines);
    expect(shop.lines).toEqual(
      ["API_TOKEN", "com.example.password", "com.example.client-secret"].map(
        (name) => `${name} looks like a secret: everybody who can pull the image can read it.\n`,
      ),
    );
  });
});

describe("annotations and the config", () => {
  it("stand on the index, on every manifest, and in every config", async () => {
    const stated = { "org.opencontainers.image.title": "shop" };
    await using shop = await Shop.open({
      repository: `${server.host}/acme/stated`,
      source: {
        directory: "dist",
        base: "scratch",
        platforms: ["linux/amd64", "linux/arm64/v8"],
        run: { workdir: "/srv", cmd: ["./server"] },
      },
      annotations: stated,
    });
    await shop.deploy({ ...ONE, commit: "c".repeat(40) }, filesOf("one"));

    const index = JSON.parse(String(server.store.manifest("acme/stated", "latest")?.bytes)) as {
      readonly manifests: readonly { readonly digest: string; readonly platform: object }[];
    };
    const wanted = { ...stated, "org.opencontainers.image.revision": "c".repeat(40) };
    expect(index).toMatchObject({ annotations: wanted });
    const { manifests, blobs } = server.store.repository("acme/stated");
    expect(index.manifests.map(({ platform }) => platform)).toEqual([
      { os: "linux", architecture: "amd64" },
      { os: "linux", architecture: "arm64", variant: "v8" },
    ]);
    for (const { digest, platform } of index.manifests) {
      const { config, annotations } = JSON.parse(String(manifests.get(digest)?.bytes)) as {
        readonly config: { readonly digest: string; readonly data: string };
        readonly annotations: object;
      };
      expect(annotations).toMatchObject(wanted);
      const blob = blobs.get(config.digest);
      expect(Buffer.from(config.data, "base64")).toEqual(blob);
      expect(JSON.parse(String(blob))).toMatchObject({
        ...platform,
        config: { WorkingDir: "/srv", Cmd: ["./server"] },
      });
    }
  });
});

describe("a plan", () => {
  const shortened = (plan: TargetPlan): unknown[] =>
    plan.changes.map(({ what, bytes }) => [
      what.startsWith("tag ") ? what : what.replace(/ sha256:\w+| [0-9a-f]{12}/, ""),
      bytes === undefined ? undefined : Math.sign(bytes),
    ]);

  it("says of each layer whether it is mounted or sent, with its bytes, and how many are there already", async () => {
    await using base = await open("below", { into: "/" });
    const { outputs } = await base.deploy(ONE, { "etc/os-release": "ID=x\n" });
    const above = { base: `${server.host}/acme/below@${digestIn(outputs)}` };
    await using shop = await open("shown", above);
    const first = await shop.deploy(TWO, filesOf("one"));
    await shop.build(filesOf("two"));
    const second = await shop.plan(THREE);
    const [one, two] = [first, second].map((plan) => digestIn(plan.outputs).slice(0, 19));

    expect(shortened(first)).toEqual([
      ["layer of the base (mounted)", 0],
      ["layer dependencies", 1],
      ["layer assets", 1],
      ["layer app", 1],
      ["config", 1],
      [`tag latest to ${one}`, undefined],
    ]);
    const sent = first.changes.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
    expect(shop.stepOf(first, "stage").bytes).toBe(sent);
    expect([second.unchanged, shortened(second)]).toEqual([
      3,
      [
        ["layer app", 1],
        ["config", 1],
        [`tag latest from ${one} to ${two}`, undefined],
      ],
    ]);
    expect(second.changes.at(-1)).toMatchObject({
      before: digestIn(first.outputs),
      after: digestIn(second.outputs),
    });
    expect(second.outputs).toMatchObject({ tags: ["latest"] });
  });
});

describe("a base", () => {
  it("that is not built for a platform is refused by name", async () => {
    await using base = await open("base", { platforms: ["linux/amd64"], into: "/" });
    const { outputs } = await base.deploy(ONE, { "etc/os-release": "ID=x\n" });
    await using shop = await open("above", {
      base: `${server.host}/acme/base@${digestIn(outputs)}`,
      platforms: ["linux/arm64"],
    });
    await shop.build(filesOf("one"));

    await expect(shop.plan(ONE)).rejects.toMatchObject({ code: "REGISTRY_BASE" });
  });

  it("is read from a mirror where one is named", async () => {
    await using base = await open("mirror/library/node", { into: "/" });
    const { outputs } = await base.deploy(ONE, { "etc/os-release": "ID=x\n" });
    await using shop = await Shop.open({
      repository: `${server.host}/acme/mirrored`,
      source: { directory: "dist", base: `node:24-slim@${digestIn(outputs)}` },
      network: { plainHttp: true, mirrors: { "docker.io": `${server.host}/acme/mirror` } },
    });

    await shop.deploy(TWO, filesOf("one"));

    expect(server.store.missing("acme/mirrored", "latest")).toEqual([]);
  });

  it("whose bytes are not those of its digest is refused", async () => {
    await using base = await open("poisoned", { into: "/" });
    const { outputs } = await base.deploy(ONE, { "etc/os-release": "ID=x\n" });
    const digest = digestIn(outputs);
    const { manifests } = server.store.repository("acme/poisoned");
    const mediaType = manifests.get(digest)?.mediaType ?? "";
    manifests.set(digest, { bytes: Buffer.from('{"schemaVersion":2}'), mediaType });
    await using shop = await open("above", { base: `${server.host}/acme/poisoned@${digest}` });
    await shop.build(filesOf("one"));

    await expect(shop.plan(ONE)).rejects.toMatchObject({ code: "REGISTRY_CONTENT" });
  });

  it("that has moved on is told by doctor", async () => {
    await using base = await open("drift", { into: "/" });
    const { outputs } = await base.deploy(ONE, { "etc/os-release": "ID=x\n" });
    await base.deploy(TWO, { "etc/os-release": "ID=y\n" });
    await using shop = await open("above", {
      base: `${server.host}/acme/drift:latest@${digestIn(outputs)}`,
    });

    const levels: string[] = [];
    for await (const { level } of shop.target.doctor?.(shop.context()) ?? []) levels.push(level);

    expect(levels).toEqual(["ok", "warn"]);
  });
});

describe("archives of others", () => {
  async function archived(files: Readonly<Record<string, string>>): Promise<unknown> {
    await using shop = await Shop.open({
      repository: `${server.host}/acme/layout`,
      source: { ociLayout: "layout" },
    });
    await mkdir(join(shop.folder, "layout"));
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(shop.folder, "layout", name, ".."), { recursive: true });
      await writeFile(join(shop.folder, "layout", name), text);
    }
    return await shop.plan(ONE).catch((error: unknown) => error);
  }
  const INDEX = "application/vnd.oci.image.index.v1+json";
  const digest = `sha256:${"1".repeat(64)}`;

  it.each([
    ["no index", {}, "it has no index.json"],
    ["an index that is none", { "index.json": "[]" }, "it holds 0 images, one is wanted"],
    [
      "two images",
      {
        "index.json": JSON.stringify({
          manifests: [1, 2].map(() => ({ mediaType: INDEX, digest, size: 2 })),
        }),
      },
      "it holds 2 images",
    ],
    [
      "a blob that is missing",
      { "index.json": JSON.stringify({ manifests: [{ mediaType: INDEX, digest, size: 2 }] }) },
      "it has no blobs/sha256/1111",
    ],
    [
      "a blob that is another",
      {
        "index.json": JSON.stringify({ manifests: [{ mediaType: INDEX, digest, size: 2 }] }),
        [`blobs/${digest.replace(":", "/")}`]: "{}",
      },
      "holds something else",
    ],
    [
      "a digest that leads out",
      {
        "index.json": JSON.stringify({
          manifests: [{ mediaType: INDEX, digest: "sha256:../../etc/passwd", size: 2 }],
        }),
      },
      "it holds 0 images",
    ],
  ])("with %s are refused", async (_name, files, message) => {
    await expect(archived(files)).resolves.toMatchObject({
      code: "REGISTRY_ARCHIVE",
      message: expect.stringContaining(message) as string,
    });
  });
});

describe("an image of a registry", () => {
  it("that is not there is a source that is missing, and no release that is gone", async () => {
    const image = `${server.host}/acme/nowhere@sha256:${"1".repeat(64)}`;
    await using shop = await Shop.open({
      repository: `${server.host}/acme/promoted`,
      source: { image },
    });

    await expect(shop.plan(ONE)).rejects.toMatchObject({
      code: "REGISTRY_SOURCE",
      message: `The source ${image} is not in its registry.`,
    });
  });
});

describe("a saved image", () => {
  it("whose layers are live already is not compressed again, and one that lies about them is refused", async () => {
    const archive = (text: string): Buffer => {
      const head = Buffer.alloc(512);
      head.write("file.txt");
      head.write(text.length.toString(8).padStart(11, "0"), 124);
      head.write("ustar\x0000", 257, "latin1");
      const body = Buffer.alloc(512);
      body.write(text);
      return Buffer.concat([head, body, Buffer.alloc(1024)]);
    };
    const write = async (shop: Shop, layer: Buffer, cmd: string): Promise<void> => {
      const home = join(shop.folder, "saved");
      await mkdir(home, { recursive: true });
      const diffId = `sha256:${createHash("sha256").update(archive("one")).digest("hex")}`;
      const config = {
        os: "linux",
        architecture: "amd64",
        config: { Cmd: [cmd] },
        rootfs: { type: "layers", diff_ids: [diffId] },
      };
      await writeFile(join(home, "layer.tar"), layer);
      await writeFile(join(home, "config.json"), JSON.stringify(config));
      const list = [{ Config: "config.json", RepoTags: ["shop:1"], Layers: ["layer.tar"] }];
      await writeFile(join(home, "manifest.json"), JSON.stringify(list));
      await promisify(execFile)("tar", ["-cf", join(shop.folder, "save.tar"), "-C", home, "."]);
    };
    const opened = (): Promise<Shop> =>
      Shop.open({
        repository: `${server.host}/acme/saved`,
        source: { dockerArchive: "save.tar" },
      });
    await using first = await opened();
    await write(first, archive("one"), "first");
    await first.deploy(ONE);

    await using second = await opened();
    await write(second, archive("one"), "second");
    const plan = await second.plan(TWO);
    expect(await readdir(await second.connection.spool())).toEqual([]);
    expect(plan.changes.map(({ what }) => what.split(" ")[0])).toEqual(["config", "tag"]);
    await second.apply(second.stepOf(plan, "stage"));

    await using third = await opened();
    await write(third, archive("two"), "third");
    await expect(third.plan(THREE)).rejects.toMatchObject({ code: "REGISTRY_ARCHIVE" });
  });
});

describe("names of images", () => {
  it.each([
    ["node", { host: "registry-1.docker.io", registry: "docker.io", path: "library/node" }],
    ["acme/shop", { host: "registry-1.docker.io", registry: "docker.io", path: "acme/shop" }],
    [
      "docker.io/acme/shop",
      { host: "registry-1.docker.io", registry: "docker.io", path: "acme/shop" },
    ],
    ["ghcr.io/acme/shop", { host: "ghcr.io", registry: "ghcr.io", path: "acme/shop" }],
    ["localhost/shop", { host: "localhost", registry: "localhost", path: "shop" }],
    ["[::1]:5000/a/b", { host: "[::1]:5000", registry: "[::1]:5000", path: "a/b" }],
  ])("%s", (text, repository) => {
    expect(parseRepository(text)).toEqual(repository);
  });

  it.each([
    "",
    "Acme/shop",
    "ghcr.io/",
    "ghcr.io/a//b",
    "ghcr.io/a/../b",
    "ghcr.io/a b",
    "user:pw@ghcr.io/a",
    "https://ghcr.io/a",
    "-x.io/a",
  ])("%j is none", (text) => {
    expect(parseRepository(text)).toBeUndefined();
  });

  it("may have a tag, a digest, or both", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    expect(parseReference(`localhost:5000/shop:1.4@${digest}`)).toMatchObject({
      tag: "1.4",
      digest,
    });
    expect(parseReference("localhost:5000/shop")).toEqual({
      repository: parseRepository("localhost:5000/shop"),
    });
    expect(parseReference("shop@sha256:short")).toBeUndefined();
  });
});
