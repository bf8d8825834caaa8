import { once } from "node:events";
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  readdir,
  rm,
  symlink,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Distribution, startDistribution } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyOut, run, unpack } from "../readers.ts";
import { digestIn, filesOf, ONE, Shop, THREE, TWO } from "../world.ts";

describe("an image that others read", { timeout: 120_000 }, () => {
  let folder: string;
  let server: Distribution;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-readers-"));
    server = await startDistribution({ folder });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    // podman writes its state down a moment after its container has ended
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  });

  it("is unpacked by umoci to the very files of the source, in as many layers as were planned", async () => {
    const repository = `${server.host}/readers/files`;
    await using shop = await Shop.open({
      repository,
      source: { directory: "dist", base: "scratch", into: "/srv/shop" },
    });
    const long = `${"deep/".repeat(30)}${"n".repeat(200)}.txt`;
    await shop.build({
      ...filesOf("one"),
      "bin/start.sh": "#!/bin/sh\n",
      [long]: "long",
      "ümlaut.txt": "ü",
    });
    const dist = join(shop.folder, "dist");
    await symlink("../dep/index.js", join(dist, "node_modules/dep/again.js"));
    await mkdir(join(dist, "empty"));
    await shop.deploy(ONE);

    const layout = join(folder, "files");
    await copyOut(`${repository}:latest`, layout);
    await unpack(layout, join(folder, "files-bundle"));

    const root = join(folder, "files-bundle/rootfs");
    expect(await readdir(root)).toEqual(["srv"]);
    expect(await listing(join(root, "srv/shop"))).toEqual(await listing(dist));
    const inspected = JSON.parse(
      await run("skopeo", "inspect", "--tls-verify=false", `docker://${repository}:latest`),
    ) as { readonly Layers: readonly string[] };
    expect(inspected.Layers).toHaveLength(3);
  });

  it("may be compressed with zstd", async () => {
    const repository = `${server.host}/readers/zstd`;
    await using shop = await Shop.open({
      repository,
      source: { directory: "dist", base: "scratch", compression: "zstd", layers: "one" },
    });
    await shop.deploy(ONE, filesOf("one"));

    const manifest = JSON.parse(
      await run(
        "skopeo",
        "inspect",
        "--raw",
        "--tls-verify=false",
        `docker://${repository}:latest`,
      ),
    ) as { readonly layers: readonly { readonly mediaType: string; readonly digest: string }[] };

    expect(manifest.layers[0]?.mediaType).toBe("application/vnd.oci.image.layer.v1.tar+zstd");
  });

  it("stands on a base, has what the config says, and is copied with all platforms and labels", async () => {
    const base = `${server.host}/readers/base`;
    await using below = await Shop.open({
      repository: base,
      source: {
        directory: "dist",
        base: "scratch",
        into: "/",
        platforms: ["linux/amd64", "linux/arm64/v8"],
        run: {
          env: { PATH: "/bin", LANG: "C" },
          entrypoint: ["/bin/start"],
          cmd: ["--slow"],
          labels: { below: "1" },
        },
      },
    });
    const { outputs } = await below.deploy(ONE, {
      "etc/os-release": "ID=nothing\n",
      "app/old.txt": "below",
    });
    await using shop = await Shop.open({
      repository: `${server.host}/readers/above`,
      source: {
        directory: "dist",
        base: `${base}:latest@${digestIn(outputs)}`,
        platforms: ["linux/arm64", "linux/amd64"],
        run: {
          entrypoint: ["node"],
          env: { LANG: "de_DE.UTF-8" },
          labels: { above: "2" },
          user: "1000",
          ports: [8080],
          stopSignal: "SIGINT",
        },
      },
      annotations: { "org.opencontainers.image.title": "shop" },
    });
    await shop.deploy({ ...TWO, commit: "c".repeat(40) }, filesOf("one"));

    const layout = join(folder, "above");
    await copyOut(`${server.host}/readers/above:latest`, layout);
    const raw = JSON.parse(await run("skopeo", "inspect", "--raw", `oci:${layout}:image`)) as {
      readonly manifests: readonly { readonly platform: object }[];
      readonly annotations: object;
    };
    const config = JSON.parse(
      await run("skopeo", "--override-arch", "amd64", "inspect", "--config", `oci:${layout}:image`),
    ) as { readonly config: object; readonly rootfs: { readonly diff_ids: readonly string[] } };

    expect(raw.manifests.map(({ platform }) => platform)).toEqual([
      { architecture: "arm64", os: "linux" },
      { architecture: "amd64", os: "linux" },
    ]);
    expect(raw.annotations).toMatchObject({
      "org.opencontainers.image.title": "shop",
      "org.opencontainers.image.revision": "c".repeat(40),
    });
    expect(config.config).toEqual({
      Entrypoint: ["node"],
      Env: ["PATH=/bin", "LANG=de_DE.UTF-8"],
      ExposedPorts: { "8080/tcp": {} },
      Labels: { above: "2", below: "1" },
      StopSignal: "SIGINT",
      User: "1000",
      WorkingDir: "/app",
    });
    expect(config.rootfs.diff_ids).toHaveLength(4);
  });

  it("is promoted to another repository without a byte of a layer, and copied to another registry", async () => {
    const from = `${server.host}/readers/staging`;
    await using staging = await Shop.open({ repository: from });
    const { outputs } = await staging.deploy(ONE, {
      ...filesOf("one"),
      "big.bin": Buffer.alloc(4 << 20, "x"),
    });
    const digest = digestIn(outputs);
    const other = await startDistribution({ folder: join(folder, "other") });
    try {
      for (const host of [server.host, other.host]) {
        await using shop = await Shop.open({
          repository: `${host}/readers/production`,
          source: { image: `${from}@${digest}` },
        });

        const plan = await shop.deploy(TWO);

        expect(plan.outputs?.["digest"]).toBe(digest);
        const layout = join(folder, `promoted-${host.replace(":", "-")}`);
        await copyOut(`${host}/readers/production@${digest}`, layout);
        expect(plan.changes.some(({ what }) => what.endsWith("(mounted)"))).toBe(
          host === server.host,
        );
      }
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });

  it("comes from a layout or an archive of another tool, and keeps its digest", async () => {
    const made = `${server.host}/readers/made`;
    await using maker = await Shop.open({ repository: made });
    const { outputs } = await maker.deploy(ONE, filesOf("one"));
    await copyOut(`${made}:latest`, join(maker.folder, "layout"));
    await run(
      "skopeo",
      "copy",
      "--src-tls-verify=false",
      `docker://${made}:latest`,
      `oci-archive:${maker.folder}/layout.tar`,
    );
    await run(
      "skopeo",
      "copy",
      "--src-tls-verify=false",
      `docker://${made}:latest`,
      `docker-archive:${maker.folder}/save.tar:shop:1`,
    );
    const digests: unknown[] = [];
    for (const [name, source] of [
      ["layout", { ociLayout: "layout" }],
      ["archive", { dockerArchive: "layout.tar" }],
      ["save", { dockerArchive: "save.tar" }],
    ] as const) {
      const repository = `${server.host}/readers/from-${name}`;
      const home = await mkdtemp(join(tmpdir(), "lockstep-copy-"));
      await cp(maker.folder, home, { recursive: true });
      await using shop = await Shop.open({ repository, source }, { folder: home });

      const plan = await shop.deploy(THREE);

      digests.push(plan.outputs?.["digest"]);
      await copyOut(`${repository}:latest`, join(folder, `out-${name}`));
      await unpack(join(folder, `out-${name}`), join(folder, `bundle-${name}`));
      const root = join(folder, `bundle-${name}/rootfs/app`);
      expect(await listing(root)).toEqual(await listing(join(maker.folder, "dist")));
    }
    expect(digests.slice(0, 2)).toEqual([outputs?.["digest"], outputs?.["digest"]]);
  });

  it("runs: podman pulls it by its digest and it answers", async () => {
    const repository = `${server.host}/readers/running`;
    await using shop = await Shop.open({
      repository,
      source: {
        directory: "dist",
        base: "scratch",
        into: "/",
        run: {
          entrypoint: ["/bin/busybox"],
          cmd: ["httpd", "-f", "-h", "/www", "-p", "127.0.0.1:0"],
        },
      },
    });
    const busybox = await readFile((await run("sh", "-c", "command -v busybox")).trim());
    await shop.build({
      "bin/busybox": busybox,
      "www/index.html": "from a container\n",
      "tmp/.keep": "",
    });
    await chmod(join(shop.folder, "dist/bin/busybox"), 0o755);
    const { outputs } = await shop.deploy(ONE);
    const image = `${repository}@${digestIn(outputs)}`;
    const port = await freePort();
    const storage = [
      "--root",
      join(folder, "podman"),
      "--runroot",
      join(folder, "podman-run"),
      "--storage-driver",
      "vfs",
      "--runtime",
      "runc",
    ];

    const id = await run(
      "podman",
      ...storage,
      "run",
      "--detach",
      "--tls-verify=false",
      "--network=host",

      "--ulimit",
      "nofile=1024:1024",
      "--ulimit",
      "nproc=1024:1024",
      image,
      "httpd",
      "-f",
      "-h",
      "/www",
      "-p",
      `127.0.0.1:${port}`,
    );
    try {
      expect(await answerOf(`http://127.0.0.1:${port}/`)).toBe("from a container\n");
    } finally {
      await run("podman", ...storage, "rm", "--force", "--time", "0", id.trim());
    }
  });
});

async function answerOf(url: string): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer !== undefined) return answer.text();
    if (tries === 100) throw new Error(`${url} does not answer`);
    await sleep(100);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  return port;
}

/** Every path below a folder with its kind, whether it may be executed, and what it holds. */
async function listing(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true });
  const lines = names.toSorted().map(async (name) => {
    const place = join(folder, name);
    const stats = await lstat(place);
    if (stats.isSymbolicLink()) return [name, `-> ${await readlink(place)}`] as const;
    if (stats.isDirectory()) return [name, "folder"] as const;
    return [
      name,
      `${(stats.mode & 0o111) !== 0 ? "x" : "-"} ${await readFile(place, "base64")}`,
    ] as const;
  });
  return Object.fromEntries(await Promise.all(lines));
}
