import { isTarget, secret } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import * as failures from "../src/errors.ts";
import { s3, s3Errors } from "../src/index.ts";

describe("the package", () => {
  it("has these public names", async () => {
    expect(Object.keys(await import("../src/index.ts")).toSorted()).toMatchInlineSnapshot(`
      [
        "cloudFrontFunctions",
        "s3",
        "s3Errors",
        "s3Store",
      ]
    `);
  });

  it("explains every code that its errors have, and has an error for every code it explains", () => {
    const all = [
      failures.answerUnexpected("GET /", "418"),
      failures.assetClash(["app.js"]),
      failures.bucketMissing("shop"),
      failures.busy("GET /", 3),
      failures.clockWrong("GET /"),
      failures.credentialsRefused("GET /", "ExpiredToken"),
      failures.credentialsMissing("shop", new Error("none")),
      failures.denied("GET /"),
      failures.distributionMissing("EDFDVBD6EXAMPLE"),
      failures.siteEmpty("dist", "page"),
      failures.foreignObjects("s3://shop", ["index.html"]),
      failures.headersUnfit("_headers", "line 3 has no value"),
      failures.keysUnfit(["a"]),
      failures.linksBroken(["index.html -> app.js"]),
      failures.manifestUnfit("current.json", "is no JSON"),
      failures.releaseGone("sha256:0", "its manifest"),
      failures.routesUnfit("kvs://a is full"),
      failures.siteShrunk(100, 4),
      failures.storeKeyWrong("../a"),
      failures.storeOptionsWrong([{ path: ["bucket"], message: "This is no name." }]),
      failures.storeValueForeign("a"),
      failures.storeWithoutConditions("s3://state", "it ignores them"),
      failures.valuesContended("kvs://a"),
      failures.valuesUnfit("kvs://a", "does not exist"),
      failures.unreachable("GET /", "ECONNREFUSED"),
    ];
    const codes = new Set(all.map(({ code }) => code));
    const explained = Object.keys(s3Errors).filter((code) => code.startsWith("S3_"));

    expect([...codes].toSorted()).toEqual(explained.toSorted());
    for (const { message, hint } of all) {
      expect(message).toMatch(/^\S.*\.$/);
      expect(hint).toMatch(/\S/);
    }
  });

  it("shows what others say without control characters", () => {
    const { message } = failures.answerUnexpected("GET /", "500 \u001b[31mred\r\nset-cookie");

    expect(message).not.toMatch(/\p{Cc}/u);
  });
});

describe("options", () => {
  const fitting = { bucket: "shop-web", source: "dist" };

  it("make a target that claims its prefix", () => {
    const target = s3({ ...fitting, prefix: "docs", endpoint: "https://s3.example.com/" });

    expect(isTarget(target)).toBe(true);
    expect(target.places).toEqual(["s3://s3.example.com/shop-web/docs/"]);
    expect(target.traits).toEqual({ fencing: "none" });
  });

  it.each([
    ["a prefix that leaves the bucket", { prefix: "../" }, ["prefix"]],
    ["a prefix with an empty segment", { prefix: "a//b" }, ["prefix"]],
    [
      "a header that breaks its line",
      { headers: [{ match: "**", set: { "cache-control": "a\r\nb: c" } }] },
      ["headers", 0, "set"],
    ],
    [
      "a header no object keeps",
      { headers: [{ match: "**", set: { "set-cookie": "a" } }] },
      ["headers", 0, "set"],
    ],
    ["a password in the endpoint", { endpoint: "https://user:word@s3.example.com" }, ["endpoint"]],
    [
      "a secret as plain text",
      { credentials: { accessKeyId: "a", secretAccessKey: "plain" } },
      ["credentials", "secretAccessKey"],
    ],
    [
      "a path that is none",
      { check: { url: "https://a.example", paths: ["/%zz"] } },
      ["check", "paths", 0],
    ],
    ["nothing kept to go back to", { keep: { releases: 1 } }, ["keep", "releases"]],
    ["state in the place of the site", { state: "" }, ["state"]],
  ])("refuse %s", (_name, more, path) => {
    const { problems = [] } = s3({ ...fitting, ...more } as never);

    expect(problems.map((problem) => problem.path)).toContainEqual(path);
  });

  it("take a secret by its name", () => {
    const credentials = { accessKeyId: "a", secretAccessKey: secret("S3_SECRET") };

    expect(s3({ ...fitting, credentials }).problems).toBeUndefined();
  });
});
