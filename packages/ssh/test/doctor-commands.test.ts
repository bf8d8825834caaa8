import { describe, expect, it } from "vitest";
import { grantFor, needsOf } from "../src/doctor-commands.ts";
import { type SshSettings, sshSchema } from "../src/options.ts";

function settingsOf(more: object): SshSettings {
  return sshSchema.parse({ hosts: ["deploy@web-1"], path: "/srv/shop", source: "dist", ...more });
}

describe("what the commands of a config need of a host", () => {
  it("is nothing where there are none", () => {
    expect(needsOf(settingsOf({}))).toEqual({ sudo: [], programs: [], units: [] });
  });

  it("is what sudo runs, without `sudo -n` before it", () => {
    const once = [{ name: "migrate", run: ["sudo", "/bin/migrate", "-n"], undo: "leave" }];
    const restart = ["sudo", "-n", "systemctl", "restart", "shop"];

    expect(needsOf(settingsOf({ restart, once }))).toMatchObject({
      sudo: ["systemctl restart shop", "/bin/migrate -n"],
      units: ["shop"],
    });
  });

  it("is each program once, but for those of the release", () => {
    const settings = settingsOf({
      restart: ["bin/restart"],
      drain: ["/bin/ctl", "out"],
      undrain: ["/bin/ctl", "in"],
      prepare: ["make\nit"],
    });

    expect(needsOf(settings).programs).toEqual(["/bin/ctl", "make it"]);
  });

  it("is every unit of the machine's systemd, and none of a user's own", () => {
    const settings = settingsOf({
      service: { systemd: "shop.service" },
      drain: ["/bin/systemctl", "--no-block", "stop", "shop.service", "worker"],
      undrain: ["systemctl", "--user", "start", "mine"],
      checks: [{ process: { systemd: "worker" } }, { process: { pidFile: "pid" } }],
    });

    expect(needsOf(settings).units.toSorted()).toEqual(["shop.service", "worker"]);
  });
});

describe("the line for sudoers", () => {
  const image = `shop@sha256:${"0".repeat(64)}`;
  const container = { image, name: "shop", engine: "podman", sudo: true };

  it("allows an engine as a whole, and to look at every process, else what was asked alone", () => {
    const settings = settingsOf({ container, source: undefined });

    const readlink = "/usr/bin/readlink";
    expect(grantFor("/usr/bin/podman info", settings)).toBe("NOPASSWD: /usr/bin/podman");
    expect(grantFor(`${readlink} /proc/1/cwd`, settings)).toBe(
      `NOPASSWD: ${readlink} /proc/*/cwd, ${readlink} /proc/*/exe`,
    );
    expect(grantFor("/bin/ctl in", settings)).toBe("NOPASSWD: /bin/ctl in");
    expect(grantFor("/bin/podman info", settingsOf({}))).toBe("NOPASSWD: /bin/podman info");
  });

  it("lets an engine have the variables that it takes", () => {
    const taking = { ...container, options: ["--env=TOKEN", "--env", "PORT=80"] };
    const settings = settingsOf({ container: taking, source: undefined, env: { TOKEN: "t" } });

    expect(grantFor("/usr/bin/podman info", settings)).toBe("NOPASSWD:SETENV: /usr/bin/podman");
  });
});
