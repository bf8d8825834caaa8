import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Runs a program that reads images and has nothing to do with us; what it prints comes back. */
export async function run(program: string, ...words: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(program, words, { maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
    throw new Error(`${program} ${words.join(" ")}: ${said}`, { cause: error });
  }
}

/** Copies an image from a registry over plain HTTP into a folder in the OCI layout, with all platforms. */
export async function copyOut(image: string, layout: string): Promise<void> {
  await run(
    "skopeo",
    "copy",
    "--all",
    "--src-tls-verify=false",
    `docker://${image}`,
    `oci:${layout}:image`,
  );
}

/** Unpacks an image of a layout into a folder; its files are below `rootfs`. */
export async function unpack(layout: string, bundle: string): Promise<void> {
  await run("umoci", "unpack", "--image", `${layout}:image`, bundle);
}
