import type { CheckResult } from "@lockstep/plugin";
import { secret } from "@lockstep/plugin";
import { describe, expect, it } from "vitest";
import { http, type WrittenCheck } from "../src/index.ts";
import { always, context, RELEASE, serve } from "./support.ts";

/** Plans the check as the runner would, sends its input through JSON, and asks once. */
async function ask(check: WrittenCheck, signal?: AbortSignal): Promise<CheckResult> {
  const target = http({ checks: [check] });
  expect(target.problems).toBeUndefined();
  const ctx = context(signal);
  const { steps } = await target.plan({ kind: "deploy", release: RELEASE }, ctx);
  const input = JSON.parse(JSON.stringify(steps[0]?.input)) as never;
  const handler = target.checks?.[0];
  if (handler === undefined) throw new Error("The target has no check.");
  return handler.check(input, ctx);
}

describe("the status of an answer", () => {
  it.each([200, 204, 299])("passes with %i when none is named", async (status) => {
    await using site = await serve(always(status));

    expect(await ask({ url: site.url })).toEqual({ status: "pass" });
  });

  it.each([404, 500, 503])("fails with %i when none is named", async (status) => {
    await using site = await serve(always(status, "sorry"));

    expect(await ask({ url: site.url })).toEqual({
      status: "fail",
      wanted: "status 2xx",
      found: `status ${status}`,
    });
  });

  it("passes only with the one that is named", async () => {
    await using site = await serve(always(410));

    expect(await ask({ url: site.url, status: 410 })).toEqual({ status: "pass" });
    expect(await ask({ url: site.url, status: 200 })).toMatchObject({ found: "status 410" });
  });
});

describe("the body of an answer", () => {
  it("passes with a text that names the release", async () => {
    await using site = await serve(always(200, `<b>running ${RELEASE.id}</b>`));

    expect(await ask({ url: site.url, body: "running {release}" })).toEqual({ status: "pass" });
  });

  it("fails without it and shows what was found", async () => {
    await using site = await serve(always(200, "running\n  the old one"));

    expect(await ask({ url: site.url, body: "running {release}" })).toEqual({
      status: "fail",
      wanted: `body with "running ${RELEASE.id}"`,
      found: "the body: running the old one",
    });
  });

  it("is shown without what a terminal would obey, and cut", async () => {
    await using site = await serve(always(200, `\u001b[2J\u202e\u0007${"x".repeat(5000)}`));

    const { found = "" } = await ask({ url: site.url, body: "nothing" });

    expect(found).toMatch(/^the body: \[2J x+…$/);
    expect(found).toHaveLength(201);
  });

  it("is read no further than 64 KiB, even when it never ends", async () => {
    await using site = await serve((_request, response) => {
      const chunk = "y".repeat(16 * 1024);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        response.once("drain", more);
      };
      more();
    });

    expect(await ask({ url: site.url, body: "zzz" })).toMatchObject({
      status: "fail",
      found: expect.stringMatching(/^the first 64 KiB of a longer body: yyy/) as string,
    });
  });
});

describe("JSON in an answer", () => {
  const health = JSON.stringify({ ok: true, release: RELEASE.id, hosts: ["a", "b"], up: { s: 4 } });

  it("passes when it has what is wanted, whatever it has besides", async () => {
    await using site = await serve(always(200, health));
    const json = { ok: true, release: "{release}", up: {}, hosts: ["a", "b"] };

    expect(await ask({ url: site.url, json })).toEqual({ status: "pass" });
  });

  it.each([
    [{ ok: false }, "ok false", "ok true"],
    [{ up: { s: 5 } }, "up.s 5", "up.s 4"],
    [{ nothing: 1 }, "nothing 1", "nothing missing"],
    [{ toString: 1 }, "toString 1", "toString missing"],
    [{ hosts: ["a", "c"] }, 'hosts[1] "c"', 'hosts[1] "b"'],
    [{ hosts: ["a"] }, 'hosts ["a"]', 'hosts ["a","b"]'],
    [{ hosts: {} }, "hosts {}", 'hosts ["a","b"]'],
    [[], "JSON []", `JSON ${health}`],
  ])("fails where it differs from %j, and says where", async (json, wanted, found) => {
    await using site = await serve(always(200, health));

    expect(await ask({ url: site.url, json })).toEqual({
      status: "fail",
      wanted,
      found,
    });
  });

  it("fails when the body is not JSON", async () => {
    await using site = await serve(always(200, "<html>"));

    expect(await ask({ url: site.url, json: {} })).toEqual({
      status: "fail",
      wanted: "JSON",
      found: "the body: <html>",
    });
  });

  it("fails when it is longer than 64 KiB, where a part would tell nothing", async () => {
    await using site = await serve(always(200, JSON.stringify("z".repeat(70_000))));

    expect(await ask({ url: site.url, json: {} })).toMatchObject({ found: "more than 64 KiB" });
  });
});

describe("the headers of an answer", () => {
  it("pass when each contains the text that is wanted", async () => {
    await using site = await serve(always(200, "", { "content-type": "text/html; charset=utf-8" }));

    expect(await ask({ url: site.url, headers: { "Content-Type": "text/html" } })).toEqual({
      status: "pass",
    });
  });

  it("fail when one is missing or different", async () => {
    await using site = await serve(always(200, "", { "x-release": "old" }));

    expect(await ask({ url: site.url, headers: { "x-release": "{release}" } })).toEqual({
      status: "fail",
      wanted: `x-release: ${RELEASE.id}`,
      found: "x-release: old",
    });
    expect(await ask({ url: site.url, headers: { "x-other": "a" } })).toMatchObject({
      found: "no x-other",
    });
  });
});

describe("a request", () => {
  it("carries the headers of the check, with the values of secrets", async () => {
    const seen: (string | undefined)[] = [];
    await using site = await serve((request, response) => {
      seen.push(request.headers.authorization, request.headers["user-agent"]);
      response.end();
    });

    await ask({ url: site.url, send: { authorization: secret("SHOP_TOKEN") } });

    expect(seen).toEqual(["value of SHOP_TOKEN", "lockstep"]);
  });

  it("opens a connection of its own each time, as a new visitor does", async () => {
    let connections = 0;
    await using site = await serve(always(200, "ok"));
    site.server.on("connection", () => (connections += 1));

    for (let count = 0; count < 3; count += 1) await ask({ url: site.url });

    expect(connections).toBe(3);
  });

  it("rejects when the run stops, since that says nothing about the site", async () => {
    await using site = await serve(() => undefined);
    const stop = new AbortController();
    site.server.on("request", () => stop.abort(new Error("the run stops")));

    await expect(ask({ url: site.url }, stop.signal)).rejects.toThrow("the run stops");
  });
});

describe("a redirect", () => {
  it("is the answer itself unless redirects are allowed", async () => {
    await using site = await serve(always(302, "", { location: "/login?next=hunter22" }));

    expect(await ask({ url: site.url })).toEqual({
      status: "fail",
      wanted: "status 2xx",
      found: "status 302 to /login",
    });
    expect(await ask({ url: site.url, status: 302 })).toEqual({ status: "pass" });
  });

  it("is followed as often as allowed", async () => {
    await using site = await serve((request, response) => {
      const hop = Number(request.url?.slice(1));
      if (hop < 3) response.writeHead(307, { location: `/${hop + 1}` }).end("moved");
      else response.end("arrived");
    });

    const check = { url: `${site.url}/1`, body: "arrived" };
    expect(await ask({ ...check, redirects: 2 })).toEqual({ status: "pass" });
    expect(await ask({ ...check, redirects: 1 })).toMatchObject({ found: "status 307 to /3" });
  });

  it("to another origin is not given the headers of the check", async () => {
    const seen: (string | undefined)[] = [];
    await using other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    });
    await using site = await serve(always(301, "", { location: `${other.url}/` }));

    const send = { authorization: secret("SHOP_TOKEN") };
    expect(await ask({ url: site.url, redirects: 1, send })).toEqual({ status: "pass" });
    expect(seen).toEqual([undefined]);
  });

  it.each(["file:///etc/passwd", "ftp://127.0.0.1/", "http://ada:hunter22@127.0.0.1/", "http://["])(
    "to %s is not followed",
    async (location) => {
      await using site = await serve(always(302, "", { location }));

      expect(await ask({ url: site.url, redirects: 5 })).toMatchObject({ status: "fail" });
    },
  );
});

describe("without an answer", () => {
  it("fails when the connection is refused: users cannot reach it either", async () => {
    const { url, ...site } = await serve(always(200));
    await site[Symbol.asyncDispose]();

    expect(await ask({ url })).toEqual({
      status: "fail",
      wanted: "status 2xx",
      found: "no answer (ECONNREFUSED)",
    });
  });

  it("fails when the connection is cut before the answer", async () => {
    await using site = await serve((request) => request.socket.destroy());

    expect(await ask({ url: site.url })).toMatchObject({
      status: "fail",
      found: expect.stringMatching(/^no answer \((UND_ERR_SOCKET|ECONNRESET)\)$/) as string,
    });
  });

  it("fails when the body breaks off", async () => {
    await using site = await serve((request, response) => {
      response.writeHead(200, { "content-length": "100" }).write("half", () => {
        request.socket.destroy();
      });
    });

    expect(await ask({ url: site.url })).toMatchObject({ status: "fail" });
  });

  it("fails when TLS is spoken to a server that does not", async () => {
    await using site = await serve(always(200));

    expect(await ask({ url: site.url.replace("http:", "https:") })).toMatchObject({
      status: "fail",
      found: expect.stringContaining("no answer (") as string,
    });
  });

  it("is inconclusive when nothing came in time", async () => {
    await using site = await serve(() => undefined);

    expect(await ask({ url: site.url, timeoutMs: 50 })).toEqual({
      status: "inconclusive",
      wanted: "status 2xx",
      found: "no answer in 50 ms",
    });
  });

  it("is inconclusive when the body did not end in time", async () => {
    await using site = await serve((_request, response) => response.write("half"));

    expect(await ask({ url: site.url, timeoutMs: 50 })).toMatchObject({ status: "inconclusive" });
  });

  it("is inconclusive when the name cannot be resolved here", async () => {
    expect(await ask({ url: "http://nowhere.invalid/" })).toMatchObject({
      status: "inconclusive",
      found: expect.stringMatching(/^no answer \((ENOTFOUND|EAI_AGAIN)\)$/) as string,
    });
  });
});
