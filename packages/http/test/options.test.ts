import { secret } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { http, type WrittenHttpOptions } from "../src/index.ts";

const url = "https://shop.example/health";

function problemsOf(options: object): readonly string[] {
  const { problems = [] } = http(options as WrittenHttpOptions);
  return problems.map(({ path, message, known }) =>
    [path.join("."), message, ...(known ?? [])].join(" | "),
  );
}

describe("the options of an http target", () => {
  it("may be a URL and nothing else", () => {
    expect(problemsOf({ checks: [{ url }] })).toEqual([]);
  });

  it("need at least one check", () => {
    expect(problemsOf({ checks: [] })).toEqual(["checks | At least one check is needed."]);
  });

  it("refuse a URL with a user or password, and do not repeat it", () => {
    const problems = problemsOf({ checks: [{ url: "https://ada:hunter22@shop.example/" }] });

    expect(problems).toEqual([
      "checks.0.url | This URL holds a user or password; name a secret in send: { authorization: secret(…) }.",
    ]);
  });

  it.each(["shop.example/health", "ftp://shop.example/", "file:///etc/passwd", ""])(
    "refuse %j, which is not an http or https URL",
    (text) => {
      expect(problemsOf({ checks: [{ url: text }] })).toEqual([
        "checks.0.url | This is not an http or https URL.",
      ]);
    },
  );

  it("name an unknown key with the known ones", () => {
    expect(problemsOf({ checks: [{ url, retries: 3 }] })).toEqual([
      "checks.0.retries | This key does not exist. | url | status | body | json | headers | send | redirects | timeoutMs | until",
    ]);
  });

  it("report every problem at once, each with its path", () => {
    const problems = problemsOf({
      checks: [
        { url, status: 99 },
        { url, send: { "two words": "x", good: "a\r\nb: c" } },
      ],
      watch: { url: "nowhere", intervalMs: 1 },
    });

    expect(problems.map((problem) => problem.split(" | ")[0])).toEqual([
      "checks.0.status",
      "checks.1.send.two words",
      "checks.1.send.good",
      "watch.url",
      "watch.intervalMs",
    ]);
  });

  it("take secrets in the headers that are sent", () => {
    const send = { authorization: secret("SHOP_TOKEN"), "x-probe": "lockstep" };

    expect(problemsOf({ checks: [{ url, send }] })).toEqual([]);
  });
});

describe("the places of an http target", () => {
  it("are its URLs without fragment and without the values of the query", () => {
    const { places } = http({
      checks: [{ url: `${url}?token=hunter22&v={release}#top` }, { url }],
      watch: { url: "https://shop.example/" },
    });

    expect(places).toEqual([
      "https://shop.example/health?token=…&v=…",
      "https://shop.example/health",
      "https://shop.example/",
    ]);
  });
});
