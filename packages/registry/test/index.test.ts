import { isTarget } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import * as failures from "../src/errors.ts";
import { registry, registryErrors } from "../src/index.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("the package", () => {
  it("has these public names", async () => {
    expect(Object.keys(await import("../src/index.ts"))).toMatchInlineSnapshot(`
      [
        "registryErrors",
        "registry",
      ]
    `);
  });

  it("explains every code that its errors have, and has an error for every code it explains", () => {
    const url = new URL("https://ghcr.io/v2/?token=canary");
    const refusal = { request: "PUT /", status: 500, complaints: [] };
    const all = [
      failures.addressRefused(url, "10.0.0.1"),
      failures.answerUnexpected(refusal),
      failures.answerTooLarge(url, 10),
      failures.archiveUnfit("a.tar", "it is cut off"),
      failures.baseUnfit("node", "is no image"),
      failures.busy("ghcr.io", 9999, 1000),
      failures.contentWrong("A blob", "a", "b"),
      failures.credentialsMissing("GITHUB_TOKEN"),
      failures.credentialsUnreadable("config.json", "it is no JSON"),
      failures.forbidden(refusal, "the config"),
      failures.helperFailed("docker-credential-x", "ghcr.io", "failed"),
      failures.insecureRefused(url),
      failures.keylessFailed(new Error("no")),
      failures.loginMissing(url, 401, { searched: ["config.json"], host: "ghcr.io" }),
      failures.loginRefused(url, 401, "the config"),
      failures.newerIsLive("latest", { ours: 1, found: 2, revision: undefined }),
      failures.peerMissing("@sigstore/sign", "signing without a key", undefined),
      failures.realmRefused("ghcr.io", url),
      failures.rightMissing("shop", "push", { rights: ["pull"], origin: "the config" }),
      failures.redirectRefused(url, "circles"),
      failures.releaseGone("shop@sha256:a"),
      failures.signingFailed("KEY", "is no key"),
      failures.sourceUnfit("dist", "is empty"),
      failures.tagImmutable("latest", []),
      failures.tagStays("latest", 405),
      failures.unreachable(url, new Error("gone")),
    ];
    const codes = new Set(all.map(({ code }) => code));
    const explained = Object.keys(registryErrors).filter((code) => code.startsWith("REGISTRY_"));

    expect([...codes].toSorted()).toEqual(explained.toSorted());
    for (const { message, hint } of all) {
      expect(message).toMatch(/^\S.*\.$/);
      expect(message).not.toContain("canary");
      expect(hint).toMatch(/\S/);
    }
  });
});

describe("options", () => {
  it("make a target, with a place for each tag", () => {
    const target = registry({
      repository: "acme/shop",
      source: { directory: "dist", base: `node@${DIGEST}` },
      tags: ["1.4", "latest"],
    });

    expect(isTarget(target)).toBe(true);
    expect(target.problems).toBeUndefined();
    expect(target.traits).toEqual({ fencing: "none" });
    expect(target.places).toEqual([
      "registry://registry-1.docker.io/acme/shop:1.4",
      "registry://registry-1.docker.io/acme/shop:latest",
    ]);
  });

  it.each<readonly [string, object, readonly (string | number)[]]>([
    ["a tag in the repository", { repository: "acme/shop:1" }, ["repository"]],
    [
      "a base without a digest",
      { source: { directory: "dist", base: "node:24" } },
      ["source", "base"],
    ],
    ["an image without a digest", { source: { image: "acme/shop:1" } }, ["source", "image"]],
    ["a key that does not exist", { tag: "latest" }, ["tag"]],
    ["no tag at all", { tags: [] }, ["tags"]],
    ["a tag twice", { tags: ["a", "a"] }, ["tags"]],
    ["a text that is no tag", { tags: ["-x"] }, ["tags", 0]],
    ["an anchor that is too long", { anchor: "a".repeat(80) }, ["anchor"]],
    ["one release kept", { keep: 1 }, ["keep"]],
    [
      "a password that is no secret",
      { auth: { username: "x", password: "plain" } },
      ["auth", "password"],
    ],
    ["a login at ECR elsewhere", { auth: { ecr: {} } }, ["auth", "ecr"]],
    [
      "a folder that leaves the image",
      { source: { directory: "dist", base: "scratch", into: "/a/../b" } },
      ["source", "into"],
    ],
    [
      "no platform",
      { source: { directory: "dist", base: "scratch", platforms: ["linux"] } },
      ["source", "platforms", 0],
    ],
  ])("with %s are refused at their path", (_name, options, path) => {
    const target = registry({
      repository: "acme/shop",
      source: { directory: "dist", base: "scratch" },
      ...options,
    });

    expect(target.problems?.map((problem) => problem.path)).toContainEqual(path);
  });
});
