import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testContext } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostSettings, LoginSettings, Route } from "../src/reach.ts";
import { routeTo } from "../src/route.ts";

let folder: string;
let config: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-route-"));
  config = join(folder, "config");
  await writeFile(
    config,
    [
      "Host web-1",
      "  HostName 10.0.0.1",
      "  Port 2201",
      "  User deploy",
      "  ProxyJump ops@bastion:2200,inner",
      "  IdentityFile ~/.ssh/%r_key",
      "  UserKnownHostsFile /keys/known",
      "  HostKeyAlias shop",
      "Host web-2",
      "  ProxyCommand nc %h %p",
      "Host web-3",
      "  IdentityAgent /run/agent.sock",
      "  IdentitiesOnly yes",
      "Host bastion",
      "  HostName 192.0.2.1",
      "  ProxyJump outer",
      "Host loop",
      "  ProxyJump pool",
      "Host pool",
      "  ProxyJump loop",
      "Host !*.internal *",
      "  User everybody",
      "",
    ].join("\n"),
  );
});
afterAll(async () => rm(folder, { recursive: true }));

const LOGIN: LoginSettings = { transport: "ssh2", sshConfig: true, connectTimeoutMs: 1000 };
const where = { name: "web-1", place: "ssh://web-1:22/srv/shop" };

/** With `ssh -G`, and as on a machine without ssh. */
describe.each([
  ["the ssh program", undefined],
  ["the parser", "/nowhere"],
])("ssh_config, read by %s,", (_, path) => {
  const find = async (
    host: Partial<HostSettings> & { readonly address: string },
    login: Partial<LoginSettings> = {},
  ): Promise<Route> => {
    const PATH = path ?? "/usr/bin:/bin";
    const env = { PATH, HOME: "/home/me", SSH_AUTH_SOCK: "/run/mine.sock" };
    const settings = { ...LOGIN, sshConfig: config, ...login };
    return routeTo(
      { name: "web-1", ...host },
      { where, login: settings },
      testContext(null, { env }),
    );
  };

  it("says where a host is, who logs in, and what is known of it", async () => {
    expect((await find({ address: "web-1" })).end).toMatchObject({
      address: "10.0.0.1",
      port: 2201,
      user: "deploy",
      alias: "shop",
      identities: ["/home/me/.ssh/deploy_key"],
      knownHosts: expect.arrayContaining(["/keys/known"]),
      agent: "/run/mine.sock",
    });
  });

  it("counts less than the config of the target", async () => {
    const host = { address: "web-1", port: 22, user: "root" };
    const login = { identity: "/keys/mine", knownHosts: "/keys/theirs", jump: [] };

    expect(await find(host, login)).toEqual({
      jumps: [],
      end: {
        address: "10.0.0.1",
        port: 22,
        user: "root",
        hostKey: undefined,
        alias: "shop",
        identities: ["/keys/mine"],
        isIdentityNamed: true,
        knownHosts: ["/keys/theirs"],
        agent: undefined,
        isAgentBound: false,
      },
    });
  });

  it("leads through jump hosts, and through those of the first of them", async () => {
    const { jumps } = await find({ address: "web-1" });

    expect(jumps.map(({ user, address, port }) => `${user}@${address}:${port}`)).toEqual([
      "everybody@outer:22",
      "ops@192.0.2.1:2200",
      "everybody@inner:22",
    ]);
  });

  it("names an agent, and binds it to the identities when only these may be offered", async () => {
    const agent = "/run/agent.sock";
    const named = { identity: "/keys/mine" };
    const ends = [
      [{}, { agent, isAgentBound: true }],
      [{ agent: true }, { agent, isAgentBound: false }],
      [{ agent: false }, { agent: undefined }],
      [named, { agent: undefined }],
      [
        { ...named, agent: true },
        { agent, isAgentBound: false },
      ],
    ] as const;
    for (const [login, end] of ends) {
      expect((await find({ address: "web-3" }, login)).end).toMatchObject(end);
    }
  });

  it("is refused where it needs a program to connect, or never arrives", async () => {
    await expect(find({ address: "web-2" })).rejects.toMatchObject({ code: "SSH_PROXY_COMMAND" });
    await expect(find({ address: "loop" })).rejects.toMatchObject({ code: "SSH_JUMPS_ENDLESS" });
  });

  it("goes on in the files it includes, and comes back from them", async () => {
    await mkdir(join(folder, "more"), { recursive: true });
    await writeFile(join(folder, "more/10.conf"), "Host web-9\n  Port 2210\n");
    await writeFile(
      join(folder, "more/20.conf"),
      "Host web-9\n  Port 2220\nHost web-8\n  Port 22\n",
    );
    await writeFile(join(folder, "more/.hidden.conf"), "Host *\n  Port 1\n");
    await writeFile(join(folder, "alone"), "HostKeyAlias nine\nPort 9\n");
    const sshConfig = join(folder, "including");
    const lines = [
      `Include "${folder}/more/*.conf" ${folder}/nowhere`,
      "User everybody",
      "Host web-9",
      "  HostName 10.0.0.9",
      `  Include ${folder}/alone`,
      "  IdentityFile /keys/nine",
      "Host *",
      `  include=${folder}/more/20.conf`,
      "  RevokedHostKeys /keys/revoked",
    ];
    await writeFile(sshConfig, `${lines.join("\n")}\n`);

    expect((await find({ address: "web-9" }, { sshConfig })).end).toMatchObject({
      address: "10.0.0.9",
      port: 2210,
      user: "everybody",
      alias: "nine",
      identities: ["/keys/nine"],
      revokedHostKeys: "/keys/revoked",
    });
    expect((await find({ address: "web-8" }, { sshConfig })).end).toMatchObject({
      address: "web-8",
      port: 22,
      user: "everybody",
      alias: undefined,
      revokedHostKeys: "/keys/revoked",
    });
  });

  it("is not read when that is not wanted", async () => {
    const { end } = await find({ address: "web-1", user: "me" }, { sshConfig: false });

    expect(end).toMatchObject({ address: "web-1", port: 22, identities: [] });
    expect(end.knownHosts).toEqual(["/home/me/.ssh/known_hosts"]);
  });

  it("has to be there when it is named", async () => {
    const missing = find({ address: "web-1" }, { sshConfig: "/nowhere/config" });

    await expect(missing).rejects.toMatchObject({ code: "SSH_CONFIG_UNREADABLE" });
  });
});

describe("a parser", () => {
  const find = async (text: string): Promise<Route> => {
    const home = join(folder, "home");
    await mkdir(join(home, ".ssh/more"), { recursive: true });
    await writeFile(join(home, ".ssh/more/a"), "Host a\n  User included\n");
    await writeFile(join(home, ".ssh/round"), "Include round\n");
    const file = join(folder, "includes");
    await writeFile(file, text);
    const login = { ...LOGIN, sshConfig: file };
    const env = { PATH: "/nowhere", HOME: home };
    return routeTo({ name: "a", address: "a" }, { where, login }, testContext(null, { env }));
  };

  it("finds included files beside the user's own", async () => {
    for (const text of ["Include more/*\n", "Include ~/.ssh/more/a\n"]) {
      expect((await find(text)).end.user).toBe("included");
    }
  });

  it.each([
    ["would have to match two sections at once", "Host b*\n  Include more/a\n"],
    ["includes itself", "Include round\n"],
  ])("says so when a file %s", async (_, text) => {
    await expect(find(text)).rejects.toMatchObject({
      code: "SSH_CONFIG_UNREADABLE",
      message: expect.stringContaining("Include"),
    });
  });
});
