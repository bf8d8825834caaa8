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
        "several commands share one connection",
        expect.stringMatching(/^\d+\.\d GiB are free, and \d+ files can still be made$/),
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
      { text: expect.stringContaining("no program systemctl") },
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

  it.each(["ssh2", "openssh"] as const)(
    "says over %s what a server of one session per connection costs",
    async (transport) => {
      const config = ["MaxSessions 1"];
      await using server = await startSshd({
        folder: join(folder, `tight-${transport}`),
        user: host.server.user,
        config,
      });
      const findings = await examine({ transport }, { ...host, server });

      expect(findings.filter(({ level }) => level !== "ok")).toMatchObject([
        { level: "warn", text: expect.stringContaining("one session per connection") },
      ]);
    },
  );

  it("tells the limits in sshd_config, where the account may read them", async () => {
    const bin = join(folder, "root");
    await mkdir(bin);
    const sshd =
      '#!/bin/sh\n[ "$*" = -T ] || exit 9\nprintf "port 22\\nmaxsessions 10\\nmaxstartups 10:30:100\\n"\n';
    await writeFile(join(bin, "sshd"), sshd, { mode: 0o755 });
    await using server = await startSandboxSsh({
      folder: join(folder, "limits"),
      env: { PATH: `${bin}:/usr/bin:/bin` },
    });
    const findings = await examine({}, { ...host, server, root: join(folder, "limits") });

    expect(findings.map(({ text }) => text)).toContain(
      "sshd_config there says maxsessions 10, maxstartups 10:30:100",
    );
  });

  it("tells the way and who vouches for the host when the ssh program connects", async () => {
    const { port, user, knownHosts } = host.server;
    const sshConfig = join(folder, "config");
    const proxy = `ssh -W %h:%p -o UserKnownHostsFile=${knownHosts} -i ${host.server.identity}`;
    await writeFile(
      sshConfig,
      `Host far\n  HostName 127.0.0.1\n  Port ${port}\n  ProxyCommand ${proxy} -p ${port} ${user}@127.0.0.1\n`,
    );
    const hosts = [{ name: "web-1", address: "far", user }];
    const findings = await examine({ transport: "openssh", hosts, sshConfig });

    expect(findings.map(({ text }) => text)).toContain(
      `the ssh program goes ${user}@127.0.0.1:${port}; its key is looked up in ${knownHosts}`,
    );
    expect(findings.filter(({ level }) => level !== "ok")).toEqual([]);
  });

  it("asks a container engine, and what sudo has to allow of it", async () => {
    const bin = join(folder, "engines");
    await mkdir(bin);
    const docker = '#!/bin/sh\necho "Cannot connect to the daemon" >&2; exit 1\n';
    await writeFile(join(bin, "docker"), docker, { mode: 0o755 });
    await writeFile(join(bin, "podman"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    // of what is asked whether it may be run, nothing may
    const sudo = '#!/bin/sh\n[ "$1 $2" != "-n -l" ] || exit 1\nshift; exec "$@"\n';
    await writeFile(join(bin, "sudo"), sudo, { mode: 0o755 });
    await using server = await startSandboxSsh({
      folder: join(folder, "engine"),
      env: { PATH: `${bin}:/usr/bin:/bin` },
    });
    const on = { ...host, server, root: join(folder, "engine") };
    const look = async (name: "docker" | "podman", sudoing: boolean): Promise<string[]> => {
      const image = `shop@sha256:${"0".repeat(64)}`;
      const container = { image, name: "shop", engine: name, sudo: sudoing };
      const none: object = { source: undefined };
      const checks = [{ process: { pidFile: "pid" }, sudo: sudoing }];
      const findings = await examine({ container, checks, ...none }, on);
      return findings.map(({ level, text, fix }) => `${level} ${text} ${fix ?? ""}`.trim());
    };

    expect(await look("docker", false)).toContain(
      "fail docker does not answer: Cannot connect to the daemon Run `docker info` on the host as the same user.",
    );
    const told = await look("podman", true);
    expect(told).toContain("ok podman answers");
    expect(told).toContainEqual(expect.stringMatching(/^fail may not.*NOPASSWD: \S+\/podman$/));
    expect(told).toContainEqual(
      expect.stringMatching(
        /^fail .*NOPASSWD: \S+\/readlink \/proc\/\*\/cwd, \S+\/readlink \/proc\/\*\/exe$/,
      ),
    );
  });

  it("sees commands that cannot run, before a deploy does", async () => {
    const [bin, own] = [join(folder, "system"), join(folder, "tools")];
    await mkdir(bin);
    await mkdir(own);
    const systemctl =
      '#!/bin/sh\n[ "$1 $2 $3 $4" = "show -p LoadState --" ] || exit 9\ncase $5 in (known*) echo LoadState=loaded ;; (*) echo LoadState=not-found ;; esac\n';
    await writeFile(join(bin, "systemctl"), systemctl, { mode: 0o755 });
    await writeFile(join(own, "reload-shop"), "#!/bin/sh\n", { mode: 0o755 });
    await using server = await startSandboxSsh({
      folder: join(folder, "commands"),
      env: { PATH: `${bin}:/usr/bin:/bin` },
    });
    const options = {
      restart: ["systemctl", "restart", "--no-block", "known-shop", "no-such-shop"],
      drain: ["reload-shop"],
      undrain: ["./bin/of-the-release"],
      prepare: ["/nowhere/build"],
    };
    const failures = async (more: Partial<SshOptions>, on = host): Promise<string[]> =>
      (await examine({ ...options, ...more }, on))
        .filter(({ level }) => level === "fail")
        .map(({ text }) => text);
    const on = { ...host, server, root: join(folder, "commands") };

    expect(await failures({ env: { PATH: `${own}:/usr/bin:/bin` } }, on)).toEqual([
      expect.stringContaining("no program /nowhere/build"),
      expect.stringContaining("the unit no-such-shop: LoadState=not-found"),
    ]);
    expect(await failures({ checks: [{ process: { systemd: "shop" } }] })).toEqual([
      expect.stringContaining("no program systemctl"),
      expect.stringContaining("no program reload-shop"),
      expect.stringContaining("no program /nowhere/build"),
    ]);
  });
});
