import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import {
  isLockstepError,
  type Json,
  LockstepError,
  stepConflict,
  type Target,
} from "@lockstep/plugin";
import { type MemoryRef, memoryTarget, MemoryWorld, testContext } from "../../src/index.ts";

/** Ways to speak to a server that show only when the network fails. */
export const MUTANTS = [
  "with errors of its own",
  "believing in silence",
  "in two requests",
  "blaming somebody else",
  "showing its password",
] as const;

/** How the target speaks to its server. */
export type Way = "well" | "by swapping" | (typeof MUTANTS)[number];

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A call of a target and the parts of its context that cross the wire. */
interface Request {
  readonly verb:
    | "live"
    | "plan"
    | "fence"
    | "inspect"
    | "apply"
    | "revert"
    | "retire"
    | "unlink"
    | "swap";
  readonly kind?: string;
  readonly words: readonly unknown[];
  readonly context: object;
}

const nothing = { [Symbol.asyncDispose]: async () => {} };

/** A server that keeps a world in memory and does what it is asked, once a whole request is there. */
export class RemoteWorld implements AsyncDisposable {
  readonly #server = createServer({ allowHalfOpen: true }, (socket) => void this.#answer(socket));
  readonly #worlds: MemoryWorld[] = [];
  content = "";

  async start(): Promise<Address> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  /** Begins with an empty world. */
  clear(): MemoryWorld {
    const world = new MemoryWorld(["web-1"]);
    this.#worlds.unshift(world);
    return world;
  }

  get world(): MemoryWorld {
    return this.#worlds[0] ?? this.clear();
  }

  target(): Target {
    return memoryTarget({ world: this.world, content: this.content });
  }

  /** Points at a release, or back when that is where it points. */
  swap(ref: MemoryRef): null {
    const { live, past } = this.world.unit("web-1");
    this.world.point("web-1", live?.release === ref.release ? (past[0] ?? null) : ref);
    return null;
  }

  async #answer(socket: Socket): Promise<void> {
    try {
      const asked = await text(socket);
      if (!asked.endsWith("\n")) return void socket.destroy();
      socket.end(JSON.stringify(await this.#do(JSON.parse(asked) as Request)));
    } catch (error) {
      socket.end(JSON.stringify({ code: isLockstepError(error) ? error.code : String(error) }));
    }
    return undefined;
  }

  async #do({ verb, kind, words, context }: Request): Promise<{ readonly result: unknown }> {
    const target = this.target();
    const ctx = { ...testContext(nothing, context), outputs: () => undefined };
    if (verb === "unlink") return { result: this.world.point("web-1", null) ?? null };
    if (verb === "swap") return { result: this.swap(words[0] as MemoryRef) };
    const handlers = [...target.steps, ...(target.retires ?? [])];
    const owner = kind === undefined ? target : handlers.find((one) => one.kind === kind);
    const call = (owner as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>)[
      verb
    ];
    return { result: (await call?.(...words, ctx)) ?? null };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** A target that asks a server for everything. */
export function remoteTarget(address: Address, way: Way): Target {
  const shape = memoryTarget({ world: new MemoryWorld(["web-1"]), content: "" });
  const ask = async (
    request: Omit<Request, "context">,
    { run, release, stamp, unit, signal }: Asking,
  ): Promise<Json> =>
    send(address, way, { ...request, context: { run, release, stamp, unit } }, signal);
  const asking =
    (verb: Request["verb"], kind?: string) =>
    async (...words: unknown[]): Promise<never> => {
      const ctx = words.pop() as Asking;
      const rest = { verb, words, ...(kind === undefined ? {} : { kind }) };
      if (way === "in two requests" && kind === "memory.activate/1" && verb === "apply") {
        const live = (await ask({ verb: "inspect", kind, words: [words[0]] }, ctx)) as
          | object
          | null;
        const ref = (words[0] as { readonly ref: object }).ref;
        if (JSON.stringify(live) !== JSON.stringify(ref)) {
          await ask({ verb: "unlink", words: [] }, ctx);
          return (await ask({ ...rest, words: [words[0], null] }, ctx)) as never;
        }
      }
      if (way === "by swapping" && kind === "memory.activate/1" && verb === "apply") {
        const { ref } = words[0] as { readonly ref: MemoryRef };
        return (await ask({ verb: "swap", words: [ref] }, ctx)) as never;
      }
      return (await ask(rest, ctx)) as never;
    };
  return {
    ...shape,
    live: asking("live"),
    plan: asking("plan"),
    fence: asking("fence"),
    steps: shape.steps.map((step) => ({
      ...step,
      inspect: asking("inspect", step.kind),
      apply: asking("apply", step.kind),
      revert: asking("revert", step.kind),
    })),
    retires: (shape.retires ?? []).map((one) => ({ ...one, retire: asking("retire", one.kind) })),
  };
}

interface Asking {
  readonly run?: string;
  readonly release?: unknown;
  readonly stamp?: unknown;
  readonly unit?: string;
  readonly signal: AbortSignal;
}

async function send(
  address: Address,
  way: Way,
  request: Request,
  signal: AbortSignal,
): Promise<Json> {
  const socket = connect({ ...address, allowHalfOpen: true });
  const stop = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener("abort", stop);
  try {
    socket.end(`${JSON.stringify(request)}\n`);
    const answer = JSON.parse(await text(socket)) as { result: Json } | { code: string };
    if ("result" in answer) return answer.result;
    throw new LockstepError({ code: answer.code, message: "The server refused." });
  } catch (cause) {
    if (isLockstepError(cause)) throw cause;
    if (way === "believing in silence" && request.verb === "apply") return null;
    if (way === "with errors of its own") throw cause;
    if (way === "blaming somebody else")
      throw stepConflict("web-1", { wanted: "one", found: "two" });
    const asked = way === "showing its password" ? new Error("with canary-77aa") : cause;
    throw new LockstepError({
      code: "TEST_LOST",
      message: "The connection was lost.",
      cause: asked,
    });
  } finally {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}
