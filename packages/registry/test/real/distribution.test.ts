import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secret } from "@lockstep/plugin";
import { describeTargetContract, type Distribution, startDistribution } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RegistryOptions } from "../../src/index.ts";
import { filesOf, ONE, Shop, THREE, TWO } from "../world.ts";

const LOGIN = { username: "deploy", password: "not-a-real-password" };

describe.each(["open", "with tokens"] as const)(
  "CNCF distribution, %s",
  { timeout: 60_000 },
  (kind) => {
    let folder: string;
    let server: Distribution;
    let count = 0;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "lockstep-distribution-"));
      server = await startDistribution({ folder, ...(kind === "open" ? {} : { login: LOGIN }) });
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    function open(options: Partial<RegistryOptions> = {}): Promise<Shop> {
      count += 1;
      const repository = `${server.host}/acme/shop-${count}`;
      const realm = server.tokens === undefined ? [] : [new URL(server.tokens.realm).origin];
      return Shop.open(
        {
          repository,
          network: { plainHttp: true, trustedRealms: realm },
          ...(kind === "open"
            ? {}
            : { auth: { username: LOGIN.username, password: secret("PASSWORD") } }),
          ...options,
        },
        { env: { PASSWORD: LOGIN.password } },
      );
    }

    /** What anybody gets who pulls. */
    async function pulled(shop: Shop, tag: string): Promise<string | null> {
      const { path } = shop.connection.settings.repository;
      const token = await tokenFor(path);
      const answer = await fetch(`http://${server.host}/v2/${path}/manifests/${tag}`, {
        headers: {
          accept:
            "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
          ...token,
        },
      });
      const text = await answer.text();
      return answer.status === 200
        ? `${answer.headers.get("docker-content-digest")} ${text}`
        : null;
    }

    async function tokenFor(path: string): Promise<Record<string, string>> {
      if (server.tokens === undefined) return {};
      const basic = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
      const answer = await fetch(`${server.tokens.realm}?scope=repository:${path}:pull,push`, {
        headers: { authorization: `Basic ${basic}` },
      });
      const { token } = (await answer.json()) as { readonly token: string };
      return { authorization: `Bearer ${token}` };
    }

    describeTargetContract("registry", async () => {
      const shop = await open({ tags: ["1.4", "latest"] });
      return {
        target: shop.target,
        folder: shop.folder,
        secrets: { PASSWORD: LOGIN.password },
        build: (version) => shop.build(filesOf(version)),
        observe: async () => {
          const tags = [await pulled(shop, "1.4"), await pulled(shop, "latest")];
          return tags.every((tag) => tag === null) ? null : tags;
        },
        foreignEdit: () => pushByHand(shop),
        dispose: () => shop[Symbol.asyncDispose](),
      };
    });

    /** Somebody else makes an image of what is there and moves the tags to it. */
    async function pushByHand(shop: Shop): Promise<void> {
      const { path } = shop.connection.settings.repository;
      const [, text = "{}"] = /^\S+ (.*)$/s.exec((await pulled(shop, "latest")) ?? "") ?? [];
      const body = JSON.stringify({ ...JSON.parse(text), annotations: { by: "hand" } });
      for (const tag of ["1.4", "latest"]) {
        const answer = await fetch(`http://${server.host}/v2/${path}/manifests/${tag}`, {
          method: "PUT",
          body,
          headers: {
            "content-type": "application/vnd.oci.image.manifest.v1+json",
            ...(await tokenFor(path)),
          },
        });
        expect(answer.status).toBe(201);
      }
    }

    it("asks once when nothing changed, thrice with a token, compresses nothing, and asks at most fifteen times for a change of the code", async () => {
      await using shop = await open();
      await shop.deploy(ONE, filesOf("one"));
      await using again = await open({
        repository: `${server.host}/${shop.connection.settings.repository.path}`,
      });
      await again.build(filesOf("one"));

      const unchanged = await again.plan(TWO);

      expect(unchanged.steps).toEqual([]);
      expect(unchanged.outputs).toEqual((await shop.plan(ONE)).outputs);
      // the tag alone: its manifest holds the config
      expect(again.connection.requests).toBe(kind === "open" ? 1 : 3);
      expect(await readdir(await again.connection.spool())).toEqual([]);

      await using third = await open({
        repository: `${server.host}/${shop.connection.settings.repository.path}`,
      });
      await third.build(filesOf("two"));
      const plan = await third.plan(THREE);
      await third.apply(third.stepOf(plan, "stage"));
      await third.apply(third.stepOf(plan, "activate"));
      expect(await third.check(plan)).toEqual(["pass"]);
      expect(third.connection.requests).toBe(kind === "open" ? 12 : 14);
    });
  },
);
