import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeyPair } from "@lockstep/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ended, PATH, type Rig, startRig, textsBelow } from "./rig.ts";

const CANARY = "c4nary-0815-äß-value";

let rig: Rig;

beforeAll(async () => {
  rig = await startRig({ CANARY, PASSPHRASE: `${CANARY}-passphrase` });
}, 60_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
}, 120_000);

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

    expect(exit, stderr).toBe(0);
    for (const { root } of rig.hosts) {
      expect((await readdir(join(root, "current"))).toSorted()).toEqual(names.toSorted());
      for (const name of names)
        expect(await readFile(join(root, "current", name), "utf8")).toBe(`${name}\n`);
    }
    expect(await anythingExecuted()).toEqual([]);
  }, 120_000);

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

    expect(exit, stderr).toBe(0);
    for (const { root } of rig.hosts) {
      const received = (await readFile(join(root, "arguments"), "utf8")).split("\0").slice(0, -1);
      expect(received).toEqual([...values, values.join("|")]);
    }
    expect(await anythingExecuted()).toEqual([]);
  }, 120_000);

  it("name the folder on the host exactly, and are executed nowhere", async () => {
    const name = `it's the "shop" $(touch pwned) \`touch pwned\`; touch pwned \\ * ~ é -rf\nsecond line`;
    await writeFile(join(rig.build, "index.html"), "first edition");
    const marks = 'printf "%s" "$PWD" > ../../ran-in';
    await rig.configure(
      `path: ${JSON.stringify(`${PATH}/${name}`)}, restart: ${JSON.stringify(["sh", "-c", marks])}`,
    );

    const first = await rig.lockstep("deploy", "-e", "production", "-y");
    await writeFile(join(rig.build, "index.html"), "second edition");
    const second = await rig.lockstep("deploy", "-e", "production", "-y");
    const back = await rig.lockstep("rollback", "-e", "production", "-y");
    const status = await rig.lockstep("status", "-e", "production");

    for (const { exit, stderr } of [first, second, back, status]) expect(exit, stderr).toBe(0);
    for (const { root } of rig.hosts) {
      const shop = join(root, name);
      expect(await readFile(join(shop, "current/index.html"), "utf8")).toBe("first edition");
      expect(await readFile(join(shop, "ran-in"), "utf8")).toBe(`${PATH}/${name}/current`);
      expect(await readdir(join(shop, "releases"))).toHaveLength(2);
    }
    expect(await anythingExecuted()).toEqual([]);
  }, 120_000);
});

describe("a secret", () => {
  it("used as passphrase, variable and in a failing command's output shows up nowhere", async () => {
    const locked = makeKeyPair(`${CANARY}-passphrase`);
    await writeFile(join(rig.folder, "locked"), locked.private, { mode: 0o600 });
    for (const { authorizedKeys } of rig.hosts)
      await appendFile(authorizedKeys, `${locked.public}\n`);
    await writeFile(join(rig.build, "index.html"), "secret edition");
    // the release before, if there is one, starts
    const script =
      'grep -q secret index.html || exit 0; sleep 1; echo "token is $TOKEN"; echo "$TOKEN" >&2; exit 3';
    const restart = JSON.stringify(["sh", "-c", script]);
    const options = `identity: "../locked", passphrase: secret("PASSPHRASE"), env: { TOKEN: secret("CANARY") }, restart: ${restart}`;
    await rig.configure(options);
    const events = join(rig.folder, "secret-events.ndjson");

    const child = rig.start("deploy", "-e", "production", "-y", "-v", "--events", events);
    const end = ended(child);
    const seen = await processesUntil(end);
    const { exit, stdout, stderr } = await end;

    expect([exit, stderr]).toEqual([31, expect.stringContaining("SSH_COMMAND_FAILED")]);
    expect(stderr).toContain("token is [secret]");
    const written = {
      stdout,
      stderr,
      events: await readFile(events, "latin1"),
      store: await textsBelow(join(rig.project, ".lockstep")),
      processes: seen,
    };
    const forms = [
      CANARY,
      Buffer.from(CANARY).toString("latin1"),
      Buffer.from(CANARY).toString("base64").slice(0, 20),
    ];
    const telling = Object.entries(written).filter(([, text]) =>
      forms.some((form) => text.includes(form)),
    );
    expect(telling.map(([place]) => place)).toEqual([]);
    expect(seen).toContain("sleep"); // it was read while the command ran
    expect(seen).toContain("SSH_CONNECTION="); // and the shells of the account were
  }, 60_000);
});

/**
 * Command lines of all processes, and the variables of all that runs on the hosts but the user's command, which
 * is meant to have them; read over and over until the deploy has ended.
 */
async function processesUntil(end: Promise<unknown>): Promise<string> {
  const seen = new Set<string>();
  const accounts = new Set(rig.hosts.map(({ uid }) => uid));
  const running = { now: true };
  void end.finally(() => {
    running.now = false;
  });
  while (running.now) {
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const { uid } = await stat(`/proc/${pid}`).catch(() => ({ uid: -1 }));
      const read = (name: string): Promise<string> =>
        readFile(`/proc/${pid}/${name}`, "latin1").catch(() => "");
      // in this order: a shell that becomes the command in between counts as the command
      const variables = accounts.has(uid) ? await read("environ") : "";
      const words = (await read("cmdline")).replaceAll("\0", " ");
      seen.add(words);
      // no words: it has ended meanwhile, and nobody knows what it was
      if (words !== "" && !words.includes("sleep")) seen.add(variables);
    }
    await sleep(10);
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
