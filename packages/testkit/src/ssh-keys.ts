import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ssh2 from "ssh2";

/** An Ed25519 key pair in OpenSSH's formats. */
export interface KeyPair {
  readonly private: string;
  /** `ssh-ed25519 AAAA…` */
  readonly public: string;
}

/** Makes a fresh key pair; with a passphrase the private half is encrypted with aes256-ctr. */
export function makeKeyPair(passphrase?: string): KeyPair {
  const locked = passphrase === undefined ? {} : { passphrase, cipher: "aes256-ctr", rounds: 16 };
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", locked as { comment?: string });
    // ssh2 1.17.0 drops a leading zero byte of some keys, which nobody can read then: make another.
    const readable = !(ssh2.utils.parseKey(pair.private, passphrase) instanceof Error);
    if (readable) return { private: pair.private, public: pair.public.trim() };
  }
}

/** Writes what a client needs to reach a host: its private key (0600) and a known_hosts file. */
export async function writeClientFiles(
  folder: string,
  host: {
    readonly address: string;
    readonly port: number;
    readonly hostKey: string;
    readonly key: string;
  },
): Promise<{ readonly identity: string; readonly knownHosts: string }> {
  await mkdir(folder, { recursive: true });
  const identity = join(folder, "id_ed25519");
  const knownHosts = join(folder, "known_hosts");
  await writeFile(identity, host.key, { mode: 0o600 });
  await chmod(identity, 0o600);
  await writeFile(knownHosts, `[${host.address}]:${host.port} ${host.hostKey}\n`);
  return { identity, knownHosts };
}
