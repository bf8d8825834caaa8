import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type SandboxSsh, startSandboxSsh } from "@lockstep/testkit";

/** Somebody who types what a page says, has one server, and has logged in there before. */
export interface User extends AsyncDisposable {
  readonly host: SandboxSsh;
  /** Where the typing begins. */
  readonly folder: string;
  /** Runs a script; resolves with its status, its answer, and all it showed. */
  types(script: string): Promise<Typed>;
}

/** What came of a script. */
export interface Typed {
  readonly exit: number | null;
  readonly stdout: string;
  readonly screen: string;
}

/** Makes a user with a home, a server and an empty folder. */
export async function newUser(): Promise<User> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "lockstep-user-")));
  const host = await startSandboxSsh({ folder: join(root, "host") });
  const [home, bin, folder] = [join(root, "home"), join(root, "bin"), join(root, "work")];
  await makeHome(home, host);
  await makePrograms(bin);
  await mkdir(folder);
  const path = [bin, dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter);
  return {
    host,
    folder,
    types: (script) =>
      run(script, { cwd: folder, env: { ...process.env, HOME: home, PATH: path } }),
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    },
  };
}

async function makeHome(home: string, { identity, knownHosts }: SandboxSsh): Promise<void> {
  await mkdir(join(home, ".ssh"), { recursive: true });
  await copyFile(identity, join(home, ".ssh/id_ed25519"));
  await copyFile(knownHosts, join(home, ".ssh/known_hosts"));
}

/** Instead of the registry: `npm install` links the packages of this checkout, `npx lockstep` runs the CLI. */
async function makePrograms(bin: string): Promise<void> {
  const folderOf = (name: string): string =>
    dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`)));
  const links = ["lockstep", "@lockstep/ssh", "@lockstep/http"].map(
    (name) => `ln -sfn ${folderOf(name)} node_modules/${name}`,
  );
  await mkdir(bin);
  await writeProgram(join(bin, "npm"), [
    '[ "$1" = install ] || { PATH=${PATH#*:}; exec npm "$@"; }',
    "mkdir -p node_modules/@lockstep",
    ...links,
  ]);
  const main = join(folderOf("lockstep"), "src/main.ts");
  await writeProgram(join(bin, "npx"), [
    "shift",
    `exec ${process.execPath} --conditions=@lockstep/source ${main} "$@"`,
  ]);
}

async function writeProgram(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${lines.join("\n")}\n`);
  await chmod(path, 0o755);
}

async function run(
  script: string,
  around: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Typed> {
  const child = spawn("/bin/sh", ["-e", "-c", script], {
    ...around,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, screen] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    screen += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (screen += text));
  const [exit] = (await once(child, "close")) as [number | null];
  return { exit, stdout, screen };
}
