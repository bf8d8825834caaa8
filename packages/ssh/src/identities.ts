import { readFile } from "node:fs/promises";
import type { BaseAgent, IdentityCallback, ParsedKey } from "ssh2";
import { reasonOf, type Where } from "./errors.ts";
import { keyUnreadable, noIdentity } from "./login-errors.ts";
import type { Login, PrivateKey } from "./login.ts";
import type { Endpoint } from "./reach.ts";

/** A key that can be opened, and what signs with it. */
export type UsableKey = PrivateKey & { readonly type: string };

/** What there is to log in with: keys of files, then keys that an agent holds. */
export interface Offer {
  readonly keys: readonly UsableKey[];
  readonly agent?: BaseAgent | undefined;
}

/** What of the library ssh2 is needed here; it is loaded late. */
export interface Library {
  readonly createAgent: (socket: string) => BaseAgent;
  readonly utils: {
    readonly parseKey: (text: Buffer | string | ParsedKey, passphrase?: string) => Parsed;
  };
}

type Parsed = ParsedKey | ParsedKey[] | Error;

/** An identity that was looked into. */
interface Identity {
  readonly path: string;
  readonly usable?: UsableKey;
  /** Its public half, where only an agent can sign with it. */
  readonly half?: Buffer | undefined;
  readonly why?: unknown;
}

/**
 * Finds what can be offered to a server. A key that is closed, or of which only the public half is here, is looked
 * for in the agent; those of the agent that the identities name come first, for a server hangs up on many tries.
 *
 * @throws {LockstepError} `SSH_NO_IDENTITY` when nothing is left; `SSH_KEY_UNREADABLE` for an identity that the
 *   config of the target names
 * @see ssh_config(5), `IdentitiesOnly` and `IdentityFile`
 */
export async function offerOf(
  where: Where,
  { login, endpoint }: { readonly login: Login; readonly endpoint: Endpoint },
  library: Library,
): Promise<Offer> {
  const found = await Promise.all(login.keys.map((key) => lookInto(key, library)));
  const keys = found.flatMap(({ usable }) => usable ?? []);
  const halves = found.flatMap(({ half }) => half ?? []);
  const { isAgentBound, isIdentityNamed } = endpoint;
  const isAsked = login.agent !== undefined && (!isAgentBound || halves.length > 0);
  const agent = isAsked
    ? new Holder(library, login.agent ?? "", { halves, isBound: isAgentBound })
    : undefined;
  if (isIdentityNamed) {
    for (const one of found) {
      if (one.usable !== undefined || (await agent?.holds(one.half)) === true) continue;
      throw keyUnreadable(one.path, one.why);
    }
  }
  if (keys.length === 0) {
    const why = agent === undefined ? withoutAgent(found, endpoint) : await agent.nothing();
    if (why !== undefined) throw noIdentity(where, why);
  }
  return { keys, agent: agent?.agent };
}

function withoutAgent(found: readonly Identity[], { agent }: Endpoint): string {
  if (agent !== undefined) return "only what IdentityFile names may be offered, and none is there";
  const [first] = found;
  return first === undefined
    ? "there is no identity"
    : `there is no agent, and ${first.path} cannot be used: ${reasonOf(first.why)}`;
}

/** An agent that is asked once; what goes wrong with it is kept, so that other keys are tried all the same. */
class Holder {
  readonly agent: BaseAgent;
  readonly #socket: string;
  readonly #isBound: boolean;
  readonly #held: () => Promise<readonly ParsedKey[]>;
  #broken: Error | undefined;

  constructor(
    { createAgent, utils }: Library,
    socket: string,
    { halves, isBound }: { readonly halves: readonly Buffer[]; readonly isBound: boolean },
  ) {
    this.#socket = socket;
    this.#isBound = isBound;
    this.agent = createAgent(socket);
    const ask = this.agent.getIdentities.bind(this.agent);
    const isNamed = (key: ParsedKey): boolean =>
      halves.some((half) => half.equals(key.getPublicSSH()));
    let held: Promise<readonly ParsedKey[]> | undefined;
    this.#held = () => {
      held ??= new Promise((resolve) => {
        ask((error, all = []) => {
          this.#broken = error ?? undefined;
          const keys = all.flatMap((key) => {
            const parsed = [utils.parseKey(key as Buffer | ParsedKey)].flat()[0];
            return parsed === undefined || parsed instanceof Error ? [] : [parsed];
          });
          const [named, others] = [keys.filter(isNamed), keys.filter((key) => !isNamed(key))];
          resolve(isBound ? named : [...named, ...others]);
        });
      });
      return held;
    };
    const tell = async (done: IdentityCallback): Promise<void> =>
      done(null, [...(await this.#held())]);
    this.agent.getIdentities = (done) => void tell(done);
  }

  /** Whether it can sign with the key that this is the public half of. */
  async holds(half: Buffer | undefined): Promise<boolean> {
    const keys = await this.#held();
    return half !== undefined && keys.some((key) => half.equals(key.getPublicSSH()));
  }

  /** Why it has nothing to offer; undefined when it has. */
  async nothing(): Promise<string | undefined> {
    if ((await this.#held()).length > 0) return undefined;
    if (this.#broken !== undefined) return `no agent answers at ${this.#socket}`;
    return this.#isBound
      ? "the agent has none of the keys that may be offered"
      : "the agent has no key";
  }
}

async function lookInto(key: PrivateKey, { utils }: Library): Promise<Identity> {
  const { path, text } = key;
  const [parsed] = [utils.parseKey(text, key.passphrase)].flat();
  if (parsed instanceof Error || parsed === undefined) {
    return { path, why: parsed, half: await halfOf(key, utils) };
  }
  if (parsed.isPrivateKey()) return { path, usable: { ...key, type: parsed.type } };
  return { path, why: new Error("it is a public key"), half: parsed.getPublicSSH() };
}

/** The public half of a key that cannot be opened: of the file beside it, else what its own tells everybody. */
async function halfOf(
  { path, text }: PrivateKey,
  { parseKey }: Library["utils"],
): Promise<Buffer | undefined> {
  const beside = await readFile(`${path}.pub`).catch(() => undefined);
  const [parsed] = beside === undefined ? [] : [parseKey(beside)].flat();
  return parsed === undefined || parsed instanceof Error ? clearHalf(text) : parsed.getPublicSSH();
}

const ARMOR = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+)-----END/;
const MAGIC = "openssh-key-v1\0";

/** @see PROTOCOL.key of OpenSSH: cipher, its key derivation and that one's options, a count, the public key */
function clearHalf(text: Buffer): Buffer | undefined {
  const bytes = Buffer.from(ARMOR.exec(text.toString("latin1"))?.[1] ?? "", "base64");
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) return undefined;
  let at = MAGIC.length;
  const next = (): Buffer => {
    const length = bytes.readUInt32BE(at);
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  try {
    for (let skipped = 0; skipped < 3; skipped += 1) next();
    at += 4;
    return next();
  } catch {
    return undefined; // cut short
  }
}
