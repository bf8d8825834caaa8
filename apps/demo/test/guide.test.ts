import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type SandboxSsh, startSandboxSsh } from "@lockstep/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const GUIDE = join(import.meta.dirname, "../../../docs/getting-started.md");

let root = "";
let host: SandboxSsh;

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "lockstep-guide-")));
  host = await startSandboxSsh({ folder: join(root, "host") });
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

/** All that the guide says to type, as one script; its one server is the sandbox host. */
async function scriptOf(guide: string): Promise<string> {
  const fences = [...guide.matchAll(/^```(sh|ts)\n([\s\S]*?)^```$/gm)];
  const blocks = fences.map(([, language, code = ""]) =>
    language === "sh" ? code : `cat >lockstep.config.ts <<'CONFIG'\n${code}CONFIG\n`,
  );
  return `set -e\n${blocks.join("\n")}`
    .replaceAll("deploy@web-1.shop.example", `deploy@${host.address}:${host.port}`)
    .replaceAll("/srv/shop", join(host.folder, "shop"));
}

/** A home with the keys of the host, as a user has it who has logged in there before. */
async function makeHome(): Promise<string> {
  const home = join(root, "home");
  await mkdir(join(home, ".ssh"), { recursive: true });
  await copyFile(host.identity, join(home, ".ssh/id_ed25519"));
  await copyFile(host.knownHosts, join(home, ".ssh/known_hosts"));
  return home;
}

/** Instead of what is on the registry: `npm install` links the packages of this checkout, `npx` runs them. */
async function makePrograms(): Promise<string> {
  const bin = join(root, "bin");
  await mkdir(bin);
  const cli = fileURLToPath(import.meta.resolve("lockstep/package.json"));
  const ssh = fileURLToPath(import.meta.resolve("@lockstep/ssh/package.json"));
  await program(join(bin, "npm"), [
    `[ "$1" = install ] || { PATH=\${PATH#*:}; exec npm "$@"; }`,
    `mkdir -p node_modules/@lockstep`,
    `ln -s ${dirname(cli)} node_modules/lockstep`,
    `ln -s ${dirname(ssh)} node_modules/@lockstep/ssh`,
  ]);
  const main = join(dirname(cli), "src/main.ts");
  await program(join(bin, "npx"), [
    `shift`,
    `exec ${process.execPath} --conditions=@lockstep/source ${main} "$@"`,
  ]);
  return bin;
}

async function program(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${lines.join("\n")}\n`);
  await chmod(path, 0o755);
}

describe("the guide for beginners", () => {
  it("works as it is written, block by block", async () => {
    const [guide, home, bin] = [
      await readFile(GUIDE, "utf8"),
      await makeHome(),
      await makePrograms(),
    ];
    const path = [bin, process.env["PATH"] ?? ""].join(delimiter);

    const child = spawn("/bin/sh", ["-c", await scriptOf(guide)], {
      cwd: root,
      env: { ...process.env, HOME: home, PATH: path },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    await once(child, "close");

    expect(child.exitCode, output).toBe(0);
    expect(output).toContain("exit 31\n");
    const page = await readFile(join(host.folder, "shop/current/index.html"), "utf8");
    expect(page).toBe("<h1>Shop, first edition</h1>\n");
  }, 60_000);
});
