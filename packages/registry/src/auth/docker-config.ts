import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import type { TargetContext } from "@lockstep/plugin";
import { credentialsUnreadable } from "../errors.ts";
import { type Repository } from "../reference.ts";
import { type Credentials, type Found, mask } from "./credentials.ts";
import { askHelper } from "./helper.ts";

interface ConfigFile {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Under this name docker keeps what `docker login` without a name has asked for. */
const HUB_KEY = "https://index.docker.io/v1/";

/**
 * Looks for credentials as docker and podman do: the files one after the other, and in each the helper of
 * the registry, the helper of all, then the entry of the longest prefix of the repository.
 *
 * @throws {LockstepError} `REGISTRY_CREDENTIALS`, `REGISTRY_HELPER`
 */
export async function dockerCredentials(
  ctx: TargetContext,
  repository: Repository,
): Promise<Found> {
  const places = placesOf(ctx.env);
  for (const path of places) {
    const file = await readConfig(path);
    if (file === undefined) continue;
    const found = await credentialsIn(ctx, { file, path }, repository);
    if (found !== undefined) return found;
  }
  return { credentials: undefined, origin: "nobody", searched: places };
}

function placesOf(env: TargetContext["env"]): string[] {
  const home = env["HOME"] ?? env["USERPROFILE"];
  const docker = env["DOCKER_CONFIG"] ?? (home === undefined ? undefined : join(home, ".docker"));
  const config = env["XDG_CONFIG_HOME"] ?? (home === undefined ? undefined : join(home, ".config"));
  return [
    docker === undefined ? undefined : join(docker, "config.json"),
    env["REGISTRY_AUTH_FILE"],
    inContainers(env["XDG_RUNTIME_DIR"]) ?? withoutSession(),
    inContainers(config),
  ].filter((path): path is string => path !== undefined && path !== "");
}

/** Where podman keeps it for an account without a session, as root mostly is. */
function withoutSession(): string | undefined {
  const user = process.getuid?.();
  return user === undefined ? undefined : `/run/containers/${user}/auth.json`;
}

function inContainers(folder: string | undefined): string | undefined {
  return folder === undefined || folder === "" ? undefined : join(folder, "containers/auth.json");
}

async function readConfig(path: string): Promise<ConfigFile | undefined> {
  let text;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "it failed";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw credentialsUnreadable(path, code);
  }
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // told below, without the words of the parser: they quote the file
  }
  throw credentialsUnreadable(path, "it is no JSON object");
}

async function credentialsIn(
  ctx: TargetContext,
  { file, path }: { readonly file: ConfigFile; readonly path: string },
  { registry, path: name }: Repository,
): Promise<Found | undefined> {
  const key = registry === "docker.io" ? HUB_KEY : registry;
  const helper = file.credHelpers?.[registry] ?? file.credHelpers?.[key] ?? file.credsStore;
  if (helper !== undefined && helper !== "") {
    const credentials = await askHelper(ctx, helper, { server: key });
    if (credentials !== undefined) return { credentials, origin: `docker-credential-${helper}` };
  }
  const entry = entryOf(file.auths ?? {}, registry, name);
  if (entry === undefined) return undefined;
  const credentials = credentialsOf(ctx, entry, path);
  return credentials === undefined ? undefined : { credentials, origin: path };
}

/** The entry of the longest prefix, then of the registry in the spellings of old clients. */
function entryOf(
  auths: Readonly<Record<string, AuthEntry>>,
  registry: string,
  name: string,
): AuthEntry | undefined {
  const parts = name.split("/");
  const prefixes = parts.map((_, index) => parts.slice(0, parts.length - index).join("/"));
  const keys = [
    ...prefixes.map((prefix) => `${registry}/${prefix}`),
    registry,
    `https://${registry}`,
    `https://${registry}/`,
    `https://${registry}/v1/`,
    `https://${registry}/v2/`,
    ...(registry === "docker.io" ? [HUB_KEY, "index.docker.io", "registry-1.docker.io"] : []),
  ];
  return keys.map((key) => auths[key]).find((entry) => entry !== undefined);
}

function credentialsOf(
  ctx: TargetContext,
  entry: AuthEntry,
  path: string,
): Credentials | undefined {
  const { identitytoken, registrytoken } = entry;
  if (registrytoken !== undefined && registrytoken !== "") {
    ctx.mask(registrytoken);
    return { kind: "bearer", token: registrytoken };
  }
  const [username, password] = pairOf(entry, path);
  if (identitytoken !== undefined && identitytoken !== "") {
    ctx.mask(identitytoken);
    return { kind: "identity", username: username || "<token>", token: identitytoken };
  }
  if (username === "" && password === "") return undefined;
  mask(ctx, username, password);
  return { kind: "password", username, password };
}

function pairOf({ auth, username, password }: AuthEntry, path: string): [string, string] {
  if (auth === undefined || auth === "") return [username ?? "", password ?? ""];
  const text = Buffer.from(auth, "base64").toString();
  const colon = text.indexOf(":");
  if (colon === -1) throw credentialsUnreadable(path, "an `auth` in it is not name:password");
  // some versions of docker fill up with NUL
  return [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, "")];
}
