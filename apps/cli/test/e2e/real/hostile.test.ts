import { execFileSync } from "node:child_process";
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeyPair } from "@lockstep/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ended, type Rig, startRig, textsBelow } from "./rig.ts";

const CANARY = "c4nary-0815-äß-value";

let rig: Rig;

beforeAll(async () => {
  rig = await startRig({ CANARY, PASSPHRASE: `${CANARY}-passphrase` });
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
}, 30_000);

beforeEach(async () => {
  await rm(rig.build, { recursive: true });
  await mkdir(rig.build);
});

async function anythingExecuted(): Promise<string[]> {
  const folders = [
    rig.project,
    rig.folder,
    ...rig.hosts.flatMap(({ root, sshd }) => [root, sshd.folder]),
  ];
  const found = await Promise.all(
    folders.map(async (folder) => readdir(folder, { recursive: true })),
  );
  return found.flat().filter((name) => /(^|\/)pwned/.test(name));
}

describe("hostile names in a source", () => {
  it("that are only unusual arrive exactly", async () => {
    const names = [
      "-rf",
      "--help",
      "a'b",
      'a"b',
      "$(touch pwned)",
      "`touch pwned`",
      "a;touch pwned",
      "a b  c",
      "*",
      "~",
      "#",
      "é",
      "x".repeat(255),
    ];
    for (const name of names) await writeFile(join(rig.build, name), `${name}\n`);
    await rig.configure();

    const { exit, stderr } = await rig.lockstep("deploy", "-e", "production", "-y");

    expect([exit, stderr]).toEqual([0, expect.any(String)]);
    for (const { root } of rig.hosts) {
      expect((await readdir(join(root, "current"))).toSorted()).toEqual(names.toSorted());
      for (const name of names)
        expect(await readFile(join(root, "current", name), "utf8")).toBe(`${name}\n`);
    }
    expect(await anythingExecuted()).toEqual([]);
  }, 30_000);

  it("that no tool can be trusted with are refused, all of them listed", async () => {
    const names = ["new\nline", "back\\slash", "bell\u0007", "tab\t"];
    for (const name of names) await writeFile(join(rig.build, name), "x");
    await writeFile(
      Buffer.concat([Buffer.from(`${rig.build}/`), Buffer.from([0x66, 0xff, 0xfe])]),
      "x",
    );
    await writeFile(join(rig.build, "fine.txt"), "x");
    const links = await rig.links();

    const { exit, stderr } = await rig.lockstep("deploy", "-e", "production", "-y");

    expect([exit, stderr]).toEqual([21, expect.stringContaining("SOURCE_REFUSED")]);
    for (const part of ["new", "back", "bell", "tab"]) expect(stderr).toContain(part);
    expect(stderr).not.toContain("fine.txt");
    expect(await rig.links()).toEqual(links);
  });
});

describe("hostile values in a config", () => {
  it("reach the host exactly, in arguments and variables, and are executed nowhere", async () => {
    const values = [
      "two  words",
      "'",
      '"',
      "$(touch pwned)",
      "`touch pwned`",
      "a\nb",
      "; touch pwned",
      "\\",
      "*",
      "-n",
      "",
    ];
    await writeFile(join(rig.build, "index.html"), "x");
    const script = 'printf "%s\\0" "$@" "$LS_VALUE" > ../../arguments';
    const restart = JSON.stringify(["sh", "-c", script, "sh", ...values]);
    await rig.configure(
      `restart: ${restart}, env: { LS_VALUE: ${JSON.stringify(values.join("|"))} }`,
    );

    const { exit, stderr } = await rig.lockstep("deploy", "-e", "production", "-y");

    expect([exit, stderr]).toEqual([0, expect.any(String)]);
    for (const { root } of rig.hosts) {
      const received = (await readFile(join(root, "arguments"), "utf8")).split("\0").slice(0, -1);
      expect(received).toEqual([...values, values.join("|")]);
    }
    expect(await anythingExecuted()).toEqual([]);
  }, 30_000);
});

describe("a secret", () => {
  it("used as passphrase, variable and in a failing command's output shows up nowhere", async () => {
    const locked = makeKeyPair(`${CANARY}-passphrase`);
    await writeFile(join(rig.folder, "locked"), locked.private, { mode: 0o600 });
    for (const [index] of rig.hosts.entries()) {
      await appendFile(
        join(rig.folder, `sshd-${index + 1}`, "authorized_keys"),
        `${locked.public}\n`,
      );
    }
    await writeFile(join(rig.build, "index.html"), "secret edition");
    const restart = JSON.stringify([
      "sh",
      "-c",
      'sleep 1; echo "token is $TOKEN"; echo "$TOKEN" >&2; exit 3',
    ]);
    const options = `identity: "../locked", passphrase: secret("PASSPHRASE"), env: { TOKEN: secret("CANARY") }, restart: ${restart}`;
    await rig.configure(options);
    const events = join(rig.folder, "secret-events.ndjson");

    const child = rig.start("deploy", "-e", "production", "-y", "-v", "--events", events);
    const end = ended(child);
    const seen = await processListsUntil(end);
    const { exit, stdout, stderr } = await end;

    expect([exit === 31 || exit === 32, stderr]).toEqual([
      true,
      expect.stringContaining("SSH_COMMAND_FAILED"),
    ]);
    expect(stderr).toContain("token is [secret]");
    const written = [
      stdout,
      stderr,
      await readFile(events, "latin1"),
      await textsBelow(join(rig.project, ".lockstep")),
      seen,
    ];
    const forms = [
      CANARY,
      Buffer.from(CANARY).toString("latin1"),
      Buffer.from(CANARY).toString("base64").slice(0, 20),
    ];
    for (const form of forms) expect(written.join("\n").includes(form)).toBe(false);
    expect(seen).toContain("sleep"); // the list was read while the command ran
  }, 60_000);
});

/** Command lines of all processes, read over and over until the command has ended. */
async function processListsUntil(end: Promise<unknown>): Promise<string> {
  const seen = new Set<string>();
  let over = false;
  void end.then(() => {
    over = true;
  });
  while (!over) {
    const list = execFileSync(
      "sh",
      ["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; true"],
      { encoding: "latin1" },
    );
    for (const line of list.split("\n")) seen.add(line);
    await sleep(20);
  }
  return [...seen].join("\n");
}

describe("in CI", () => {
  it("a config that does not say where state is kept is refused with the choices", async () => {
    await rig.configure();
    const config = join(rig.project, "lockstep.config.ts");
    const text = await readFile(config, "utf8");
    await writeFile(config, text.replace("store: localStore({ ttlMs: 5000 }), ", ""));

    const { exit, stderr } = await rig.lockstep("plan", "-e", "production");

    expect(exit).toBe(2);
    expect(stderr).toContain("environments.production.store");
    expect(stderr).toContain("localStore({ ephemeral: true })");
  });
});
