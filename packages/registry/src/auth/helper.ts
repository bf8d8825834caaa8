import { spawn } from "node:child_process";
import type { TargetContext } from "@lockstep/plugin";
import { helperFailed } from "../errors.ts";
import { type Credentials, mask } from "./credentials.ts";

/** Milliseconds after which a helper is killed. */
const HELPER_MS = 20_000;
/** Most bytes a helper may print. */
const HELPER_BYTES = 256 * 1024;

/**
 * Asks a credential helper of docker; undefined when it knows nothing of the registry.
 *
 * @throws {LockstepError} `REGISTRY_HELPER`
 * @see docker-credential-helpers, "Development": `get` reads the server from its input and prints JSON
 */
export async function askHelper(
  ctx: TargetContext,
  name: string,
  { server, timeoutMs = HELPER_MS }: { readonly server: string; readonly timeoutMs?: number },
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[0-9A-Za-z._-]+$/.test(name))
    throw helperFailed(program, server, "is no name of a helper");
  const { status, output } = await run(ctx, program, { input: server, timeoutMs });
  if (status !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    throw helperFailed(program, server, `ended with status ${status}`);
  }
  const printed = parse(output);
  const { Username: username, Secret: password } = printed ?? {};
  if (typeof username !== "string" || typeof password !== "string") {
    throw helperFailed(program, server, "printed no credentials");
  }
  if (password === "") return undefined;
  mask(ctx, username, password);
  return username === "<token>"
    ? { kind: "identity", username, token: password }
    : { kind: "password", username, password };
}

function parse(output: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(output) as unknown;
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function run(
  ctx: TargetContext,
  program: string,
  { input, timeoutMs }: { readonly input: string; readonly timeoutMs: number },
): Promise<{ readonly status: number; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(timeoutMs)]);
    const child = spawn(program, ["get"], {
      env: ctx.env,
      cwd: ctx.folder,
      stdio: ["pipe", "pipe", "ignore"],
      signal,
      killSignal: "SIGKILL",
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > HELPER_BYTES) child.kill("SIGKILL");
    });
    child.stdin.on("error", () => {}); // it may end without reading
    child.stdin.end(`${input}\n`);
    child.on("error", (error) => {
      const code = "code" in error ? String(error.code) : "failed";
      const hung = signal.aborted && !ctx.signal.aborted;
      reject(helperFailed(program, input, hung ? `did not end in ${timeoutMs / 1000} s` : code));
    });
    child.on("close", (status) => resolve({ status: status ?? -1, output }));
  });
}
