import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Finding } from "@lockstep/plugin";
import { startSandboxSsh, startSshd } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshOptions } from "../../src/index.ts";
import { Shop, startHost, type TestHost } from "../world.ts";

let host: TestHost;
let folder: string;
beforeAll(async () => {
  host = await startHost("busybox");
  folder = await mkdtemp(join(tmpdir(), "lockstep-doctor-"));
  await chmod(folder, 0o755);
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function examine(
  options: Partial<SshOptions> = {},
  on: TestHost = host,
  more: { readonly now?: () => number } = {},
): Promise<Finding[]> {
  await using shop = await Shop.open(on, options);
  const found: Finding[] = [];
  for await (const finding of shop.target.doctor?.(shop.context(more)) ?? []) found.push(finding);
  return found;
}

describe("the doctor", () => {
  it("finds nothing wrong with a host that can be deployed to", async () => {
    const findings = await examine({ checks: [{ http: "http://127.0.0.1:1/" }] });

    expect(findings.filter(({ level }) => level !== "ok")).toEqual([]);
    expect(findings.map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        expect.stringContaining(host.server.knownHosts),
        "HTTP checks can be asked through SSH",
        "its clock agrees with this machine's",
      ]),
    );
    expect(new Set(findings.map(({ unit }) => unit))).toEqual(new Set(["web-1"]));
  });

  it("changes nothing", async () => {
    await using shop = await Shop.open(host);
    for await (const finding of shop.target.doctor?.(shop.context()) ?? []) {
      expect(finding.level).toBe("ok");
    }

    expect(await shop.observe()).toBeNull();
    await expect(chmod(shop.path, 0o755)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("says what an administrator has to do", async () => {
    const path = join(folder, "denied/shop");
    await mkdir(dirname(path));
    const findings = await examine({ path, service: { systemd: "shop.service", sudo: true } });

    expect(findings.filter(({ level }) => level === "fail")).toMatchObject([
      {
        text: expect.stringContaining("may not write"),
        fix: expect.stringContaining("install -d"),
      },
      {
        text: expect.stringMatching(/sudo -n \S*systemctl/),
        fix: expect.stringMatching(/NOPASSWD: \S*systemctl \S+ shop\.service$/),
      },
    ]);
  });

  it("names an unreachable host, and goes on with the next", async () => {
    const { address, port, user, hostKey } = host.server;
    const hosts = [
      { name: "dead", address, port: 1, user, hostKey },
      { name: "web-1", address, port, user, hostKey },
    ];
    await using shop = await Shop.open(host, { hosts });
    const { unit: _, ...everywhere } = shop.context();
    const found: Finding[] = [];
    for await (const one of shop.target.doctor?.(everywhere) ?? []) found.push(one);

    expect(found).toContainEqual(
      expect.objectContaining({ unit: "dead", level: "fail", fix: expect.any(String) }),
    );
    expect(found.filter(({ unit }) => unit === "web-1").length).toBeGreaterThan(3);
  });

  it("sees a server that does not forward, and a clock that is wrong", async () => {
    await using server = await startSshd({
      folder: join(folder, "stern"),
      user: host.server.user,
      config: ["AllowTcpForwarding no"],
    });
    const hour = 3_600_000;
    const checks = [{ http: "http://127.0.0.1:1/" }];
    const findings = await examine(
      { checks },
      { ...host, server },
      { now: () => Date.now() + hour },
    );

    expect(findings.filter(({ level }) => level !== "ok").map(({ text }) => text)).toEqual([
      expect.stringMatching(/36\d\d s apart|3599 s apart/),
      expect.stringContaining("does not forward"),
    ]);
  });

  it("asks sudo what it allows, and runs nothing", async () => {
    const bin = join(folder, "bin");
    await mkdir(bin);
    const sudo =
      '#!/bin/sh\n[ "$1 $2" = "-n -l" ] || exit 9\nshift 2\n[ "$*" = "/bin/mine --all" ]\n';
    await writeFile(join(bin, "sudo"), sudo, { mode: 0o755 });
    await using server = await startSandboxSsh({
      folder: join(folder, "sandbox"),
      env: { PATH: `${bin}:/usr/bin:/bin` },
    });
    const findings = await examine(
      { restart: ["sudo", "-n", "/bin/mine", "--all"], drain: ["sudo", "/bin/other"] },
      { ...host, server, root: join(folder, "sandbox") },
    );

    expect(findings.map(({ level, text }) => `${level} ${text}`)).toEqual(
      expect.arrayContaining([
        "ok may run `sudo -n /bin/mine --all`",
        "fail may not run `sudo -n /bin/other`",
      ]),
    );
  });
});
