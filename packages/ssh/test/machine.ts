import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeyPair } from "@lockstep/testkit";

/** A system of its own whose first process is systemd; it shares programs and network with this machine. */
export interface Machine extends AsyncDisposable {
  /** Of its SSH server, on 127.0.0.1; root may log in. */
  readonly port: number;
  readonly identity: string;
  readonly hostKey: string;
}

/** Where the machine has the node that runs the tests. */
export const NODE = "/opt/node/node";

const SSHD = `
[Unit]
DefaultDependencies=no
[Service]
RuntimeDirectory=sshd
ExecStart=/usr/sbin/sshd -D -f /etc/ssh/test_config
`;

const TARGET = "[Unit]\nDescription=The machine of a test\nWants=sshd.service\n";

/**
 * Boots a machine from a folder that holds the configuration alone: programs are those in `/usr` here.
 *
 * @param files - Units and all else that is to be in `etc` there.
 */
export async function startMachine(files: Readonly<Record<string, string>>): Promise<Machine> {
  const root = await mkdtemp(join(tmpdir(), "lockstep-systemd-"));
  const tree = join(root, "tree");
  const port = await freePort();
  const [own, theirs] = [makeKeyPair(), makeKeyPair()];
  await mkdir(join(tree, "root/.ssh"), { recursive: true, mode: 0o700 });
  await Promise.all(
    ["dev", "etc/ssh", "opt/node", "proc", "run", "srv", "sys", "tmp", "usr", "var"].map((folder) =>
      mkdir(join(tree, folder), { recursive: true }),
    ),
  );
  for (const name of ["bin", "lib", "lib64", "sbin"])
    await symlink(`usr/${name}`, join(tree, name));
  await write(tree, {
    "root/.ssh/authorized_keys": `${own.public}\n`,
    "etc/passwd":
      "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    // without a name the machine would enable all that is installed here
    "etc/machine-id": `${randomBytes(16).toString("hex")}\n`,
    "etc/os-release": "ID=test\nNAME=Test\n",
    "etc/ssh/test_config": `Port ${port}\nListenAddress 127.0.0.1\nHostKey /etc/ssh/test_key\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n`,
    "etc/ssh/test_key": theirs.private,
    "etc/systemd/system/sshd.service": SSHD,
    "etc/systemd/system/default.target": TARGET,
    ...files,
  });
  await writeFile(join(root, "identity"), own.private, { mode: 0o600 });
  const words = [
    "-q",
    "--register=no",
    "--keep-unit",
    "--bind-ro=/usr",
    `--bind-ro=${dirname(process.execPath)}:${dirname(NODE)}`,
  ];
  const machine = spawn("systemd-nspawn", [...words, "-D", tree, "-b"], { stdio: "ignore" });
  await answers(machine, port);
  return {
    port,
    identity: join(root, "identity"),
    hostKey: theirs.public,
    async [Symbol.asyncDispose]() {
      machine.kill("SIGTERM");
      if (machine.exitCode === null) await once(machine, "exit");
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function write(tree: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, name)), { recursive: true });
    await writeFile(join(tree, name), text, { mode: name.endsWith("_key") ? 0o600 : 0o644 });
  }
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { readonly port: number };
  probe.close();
  return port;
}

/** Resolves once the SSH server says who it is. */
async function answers(machine: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; tries < 150 && machine.exitCode === null; tries += 1) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await Promise.race([
      once(socket, "data").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return;
    await sleep(200);
  }
  machine.kill("SIGKILL");
  throw new Error("the machine does not answer");
}
