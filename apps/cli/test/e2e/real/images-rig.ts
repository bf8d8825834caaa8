import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = fileURLToPath(new URL("../../../../../packages", import.meta.url));

/** A folder with a config that uses the built CLI and built targets. */
export interface Project {
  readonly folder: string;
  /** Writes the source of the release, and nothing else. */
  build(files: Readonly<Record<string, string>>): Promise<void>;
  configure(text: string): Promise<void>;
  /** Starts the CLI as CI does: no terminal, no input. */
  start(...words: readonly string[]): ChildProcess;
  /** The same, to its end. */
  lockstep(...words: readonly string[]): Promise<Said>;
  deploy(): Promise<Said>;
}

/** How a command ended, and all it printed. */
export interface Said {
  readonly exit: number | null;
  readonly said: string;
}

/** Makes a project in a new folder; `targets` are names of packages: `registry`, `ssh`. */
export async function makeProject(
  folder: string,
  targets: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Project> {
  await mkdir(join(folder, "node_modules/@lockstep"), { recursive: true });
  await symlink(CLI, join(folder, "node_modules/lockstep"));
  for (const name of targets) {
    await symlink(join(PACKAGES, name), join(folder, "node_modules/@lockstep", name));
  }
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
  const start = (...words: readonly string[]): ChildProcess =>
    spawn(process.execPath, [join(CLI, "dist/main.js"), ...words], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: dirname(folder), CI: "true", ...env },
    });
  const lockstep = async (...words: readonly string[]): Promise<Said> => endOf(start(...words));
  return {
    folder,
    start,
    lockstep,
    deploy: async () => lockstep("deploy", "-e", "production", "-y"),
    configure: async (text) => writeFile(join(folder, "lockstep.config.ts"), text),
    async build(files) {
      const build = join(folder, "build");
      await rm(build, { recursive: true, force: true });
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(build, name)), { recursive: true });
        await writeFile(join(build, name), text);
      }
    },
  };
}

/** Waits for a process; an exit of null: it was killed. */
export async function endOf(child: ChildProcess): Promise<Said> {
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  return new Promise((resolve) => {
    child.on("close", (exit) => resolve({ exit, said }));
  });
}

/** What a tag points at for those who pull; null where there is no such tag. */
export async function digestOf(repository: string, tag: string): Promise<string | null> {
  const [, host = "", path = ""] = /^([^/]+)\/(.+)$/.exec(repository) ?? [];
  const answer = await fetch(`http://${host}/v2/${path}/manifests/${tag}`, {
    headers: {
      accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
    },
  });
  await answer.body?.cancel();
  return answer.headers.get("docker-content-digest");
}
