import { secret } from "@lockstep/plugin";
import { makeKeyPair } from "@lockstep/testkit";
import { describe, expect, it } from "vitest";
import { ssh } from "../src/index.ts";
import { sshSchema } from "../src/options.ts";

const LEAST = { hosts: ["web-1"], path: "/srv/shop", source: "dist" };

const problemsOf = (more: object): string[] =>
  (ssh({ ...LEAST, ...more }).problems ?? []).map(
    ({ path, message }) => `${path.join(".")}: ${message}`,
  );

describe("options that are right one by one", () => {
  it.each([
    [
      "paths that lie in a shared folder",
      { shared: { dirs: ["storage", "storage/logs"], files: ["storage/key"] } },
      [
        "shared.dirs.1: storage/logs lies in the shared folder storage.",
        "shared.files.0: storage/key lies in the shared folder storage.",
      ],
    ],
    [
      "variables in what is shared",
      { shared: { dirs: ["config"] }, envFile: { path: "config/.env", values: {} } },
      ["envFile.path: config/.env lies in the shared folder config."],
    ],
    [
      "one path for two things",
      { shared: { files: [".env"], dirs: ["a", "a"] }, envFile: { values: {} } },
      ["shared.dirs.1: a is the shared folder a.", "envFile.path: .env is the shared file .env."],
    ],
    [
      "names that no host has",
      {
        once: [{ name: "migrate", run: ["true"], on: "web-9", undo: "leave" }],
        rollout: { waves: [1], first: "canari" },
      },
      [
        'once.0.on: No host has the name or label "web-9".',
        'rollout.first: No host has the name or label "canari".',
      ],
    ],
  ])("are refused together: %s", (_, more, wanted) => {
    expect(problemsOf(more)).toEqual(wanted);
  });

  it("may be names that begin alike, and labels", () => {
    const more = {
      hosts: [{ address: "web-1", labels: ["db"] }],
      shared: { dirs: ["storage", "storage-old"] },
      once: [{ name: "migrate", run: ["true"], on: "db", undo: "leave" }],
    };
    expect(problemsOf(more)).toEqual([]);
  });
});

describe("a rollout without waves", () => {
  it("moves all links at once, whatever else it says", () => {
    const { rollout } = sshSchema.parse({ ...LEAST, rollout: { maxFailures: 1 } });

    expect(rollout).toEqual({ waves: ["100%"], pauseMs: 0, maxFailures: 1 });
  });
});

describe("a check that has to hold", () => {
  it.each([1, 10, 60, 600, 3600])("for %i s can pass over a slow line, and fails in time", (s) => {
    const soakMs = s * 1000;
    const checks = [{ http: "http://127.0.0.1/", soakMs }];
    const { successes, intervalMs, deadlineMs } = sshSchema.parse({ ...LEAST, checks }).checks[0]
      ?.until ?? { successes: 0, intervalMs: 0, deadlineMs: 0 };
    const askMs = 1000;

    expect((successes - 1) * intervalMs).toBeGreaterThanOrEqual(soakMs);
    // nothing is waited for after the last one
    expect((successes - 1) * (askMs + intervalMs)).toBeLessThanOrEqual(deadlineMs);
    expect(deadlineMs).toBeLessThanOrEqual(2 * soakMs + 100_000);
  });
});

describe("hosts", () => {
  it.each([
    ["web-1", { name: "web-1", address: "web-1" }],
    ["deploy@web-1", { name: "web-1", address: "web-1", user: "deploy" }],
    ["deploy@web-1:2222", { name: "web-1", address: "web-1", port: 2222, user: "deploy" }],
    ["[2001:db8::1]:2222", { name: "2001:db8::1", address: "2001:db8::1", port: 2222 }],
    ["2001:db8::1", { name: "2001:db8::1", address: "2001:db8::1" }],
  ])("may be written as %s", (written, host) => {
    expect(sshSchema.parse({ ...LEAST, hosts: [written] }).hosts).toEqual([host]);
  });

  it("take user and port of the target where they have none", () => {
    const { hosts } = sshSchema.parse({
      ...LEAST,
      user: "deploy",
      port: 2222,
      hosts: ["a", { address: "b", name: "second", user: "root", port: 22 }],
    });

    expect(hosts).toEqual([
      { name: "a", address: "a", user: "deploy", port: 2222 },
      { name: "second", address: "b", user: "root", port: 22 },
    ]);
  });

  it.each([
    "-oProxyCommand=sh",
    "a b",
    "",
    "user@",
    "web-1:99999",
    "web-1:ssh",
    "$(id)",
    "-l@web-1",
  ])("are refused when they read %j", (written) => {
    expect(problemsOf({ hosts: [written] })).toHaveLength(1);
  });

  it("are refused when two have one name", () => {
    expect(problemsOf({ hosts: ["web-1", "root@web-1:2222"] })).toEqual([
      "hosts.1: web-1 is named twice; give one of them another name.",
    ]);
  });

  it("are refused with a host key that is none", () => {
    expect(problemsOf({ hosts: [{ address: "a", hostKey: "ssh-ed25519 AAAA" }] })).toHaveLength(1);
    const hostKey = makeKeyPair().public;
    expect(problemsOf({ hosts: [{ address: "a", hostKey }] })).toEqual([]);
  });
});

describe("options", () => {
  it("have defaults", () => {
    expect(sshSchema.parse(LEAST)).toMatchObject({
      keep: 5,
      checks: [],
      env: {},
      login: { transport: "ssh2", sshConfig: true, connectTimeoutMs: 20_000 },
    });
  });

  it("give a check its status and how long it is asked", () => {
    const { checks } = sshSchema.parse({ ...LEAST, checks: [{ http: "http://127.0.0.1:80/" }] });

    expect(checks).toEqual([
      {
        http: "http://127.0.0.1:80/",
        status: 200,
        until: { successes: 2, intervalMs: 500, deadlineMs: 30_000 },
      },
    ]);
  });

  it.each(["srv/shop", "/", "/srv/../etc", "/srv//shop", "/srv/shop/", "/srv/a\0b", "~/shop"])(
    "refuse the path %j",
    (path) => {
      expect(problemsOf({ path })).toHaveLength(1);
    },
  );

  it("take a path that a shell would read in another way", () => {
    expect(problemsOf({ path: "/srv/$(touch x) 'a'\n" })).toEqual([]);
  });

  it.each([
    { keep: 1 },
    { restart: [] },
    { restart: [""] },
    { checks: [{ http: "https://127.0.0.1/" }] },
    { checks: [{ http: "127.0.0.1:80" }] },
    { checks: [{ command: [] }] },
    { env: { "A-B": "1" } },
    { env: { A: 1 } },
    { passphrase: "plain text" },
    { hosts: [] },
  ])("refuse %j", (more) => {
    expect(problemsOf(more)).toHaveLength(1);
  });

  it("name every problem at once, and the nearest key for one that does not exist", () => {
    const target = ssh({ ...LEAST, path: "srv", kep: 3 } as never);

    expect(target.problems).toEqual([
      { path: ["path"], message: "This is no absolute folder such as /srv/shop." },
      expect.objectContaining({ path: ["kep"], unknownKey: "kep" }),
    ]);
    expect(target.problems?.[1]?.known).toContain("keep");
  });

  it("take secrets where values are secret", () => {
    expect(problemsOf({ env: { TOKEN: secret("TOKEN") }, passphrase: secret("PHRASE") })).toEqual(
      [],
    );
  });
});

describe("the target", () => {
  it("claims one place per host", () => {
    const { places } = ssh({ ...LEAST, hosts: ["web-1", "root@[::1]:2222"], path: "/srv/a b" });

    expect(places).toEqual(["ssh://web-1:22/srv/a%20b", "ssh://[::1]:2222/srv/a%20b"]);
  });
});
