import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import ssh2, { type Connection, type ServerChannel, type Session } from "ssh2";
import { isGroupAlive, killGroup } from "../processes.ts";
import { makeKeyPair, writeClientFiles } from "../ssh-keys.ts";

/** A host that can be deployed to over SSH, and what a client needs for it. */
export interface SandboxSsh extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  /** Path of the only private key that is let in. */
  readonly identity: string;
  /** Path of a known_hosts file with this host. */
  readonly knownHosts: string;
  /** Where its commands start; absolute. */
  readonly folder: string;
}

/** How a sandbox host is started. */
export interface SandboxSshOptions {
  /** Existing or new folder, absolute. Keys are kept below `.sandbox` in it. */
  readonly folder: string;
  /** What runs a command: its words, to which the command is added. Default `["/bin/sh", "-c"]`. */
  readonly shell?: readonly string[];
  /** Variables of the commands, beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * An SSH server in this process: real shells in a folder, public key authentication, forwarding to loopback.
 *
 * As with sshd, a command goes on when its connection is lost; `dispose` ends them all. It isolates nothing.
 */
export async function startSandboxSsh(options: SandboxSshOptions): Promise<SandboxSsh> {
  const { folder } = options;
  await mkdir(folder, { recursive: true });
  const host = makeKeyPair();
  const client = makeKeyPair();
  const allowed = ssh2.utils.parseKey(client.public);
  if (allowed instanceof Error) throw allowed;

  const children = new Set<ChildProcess>();
  const connections = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [host.private] }, (connection) => {
    connections.add(connection);
    sendAtOnce(connection);
    connection.on("close", () => connections.delete(connection));
    connection.on("error", () => {}); // a client that is cut off is an ordinary end
    authenticate(connection, allowed);
    connection.on("ready", () => serve(connection, (command) => start(command, options, children)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = "127.0.0.1";
  const { port } = server.address() as { readonly port: number };
  const files = await writeClientFiles(join(folder, ".sandbox"), {
    address,
    port,
    hostKey: host.public,
    key: client.private,
  });
  return {
    address,
    port,
    user: "deploy",
    hostKey: host.public,
    folder,
    ...files,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.end();
      server.close();
      await Promise.all([...children].map((child) => killGroup(child)));
    },
  };
}

/** As sshd: a short answer would else wait until the client acknowledges the one before. */
function sendAtOnce(connection: Connection): void {
  // ssh2's server side has it; @types/ssh2 1.15 knows it of clients only
  (connection as Connection & { setNoDelay(yes: boolean): void }).setNoDelay(true);
}

function authenticate(connection: Connection, allowed: ssh2.ParsedKey): void {
  connection.on("authentication", (attempt) => {
    if (attempt.method !== "publickey") return attempt.reject(["publickey"]);
    const known = attempt.key.data.equals(allowed.getPublicSSH());
    const proven =
      attempt.signature === undefined ||
      (attempt.blob !== undefined && allowed.verify(attempt.blob, attempt.signature));
    return known && proven ? attempt.accept() : attempt.reject(["publickey"]);
  });
}

function serve(connection: Connection, run: (command: string) => ChildProcess): void {
  connection.on("session", (accept) => {
    const session: Session = accept();
    session.on("exec", (agree, _, { command }) => pipe(agree(), run(command)));
    session.on("shell", (agree) => pipe(agree(), run("exec sh -s")));
    session.on("env", (agree) => agree?.());
    session.on("signal", (agree) => agree?.());
  });
  connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
    if (destIP !== "127.0.0.1" && destIP !== "localhost" && destIP !== "::1") return reject();
    const socket = connect(destPort, destIP === "::1" ? "::1" : "127.0.0.1");
    const refuse = (): void => reject();
    socket.once("error", refuse);
    socket.once("connect", () => {
      socket.off("error", refuse);
      const channel = accept();
      channel.on("error", () => socket.destroy());
      socket.on("error", () => channel.end());
      channel.pipe(socket).pipe(channel);
    });
    return undefined;
  });
}

function start(
  command: string,
  { folder, shell = ["/bin/sh", "-c"], env = {} }: SandboxSshOptions,
  children: Set<ChildProcess>,
): ChildProcess {
  const [program = "/bin/sh", ...words] = shell;
  const child = spawn(program, [...words, command], {
    cwd: folder,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: folder, ...env },
    detached: true, // a group of its own, so that all it starts can be ended with it
  });
  children.add(child);
  // What it left in the background is ended with the server; where it left nothing, its id may be reused.
  child.on("exit", () => {
    if (child.pid === undefined || !isGroupAlive(child.pid)) children.delete(child);
  });
  child.on("error", () => children.delete(child)); // it never started
  child.stdin.on("error", () => {});
  return child;
}

function pipe(channel: ServerChannel, child: ChildProcess): void {
  channel.on("error", () => {});
  if (child.stdin !== null) channel.pipe(child.stdin);
  child.stdout?.pipe(channel, { end: false });
  child.stderr?.pipe(channel.stderr, { end: false });
  // As sshd: a command whose connection is lost finds the end of its input, and nobody to write to.
  channel.on("close", () => {
    child.stdin?.end();
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
  child.on("error", () => channel.close());
  child.on("close", (code, signal) => {
    if (signal === null) channel.exit(code ?? 255);
    else channel.exit(signal.replace("SIG", ""), false);
    channel.end();
  });
}
