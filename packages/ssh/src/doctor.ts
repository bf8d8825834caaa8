import { type Finding, isLockstepError, isSecret, type ReadContext } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "./connection.ts";
import { grantFor, needsOf } from "./doctor-commands.ts";
import { engine, limits } from "./doctor-limits.ts";
import { DOCTOR, parseDoctor, type Seen } from "./doctor-script.ts";
import { liveOf, readFacts } from "./facts.ts";
import { LEASE_SECONDS } from "./heartbeat.ts";
import type { RemoteHost } from "./host.ts";
import type { SshSettings } from "./options.ts";
import { oneLine } from "./output.ts";
import { refuseUnfit } from "./preflight.ts";
import type { HostSettings } from "./reach.ts";
import { routeTo } from "./route.ts";
import { parseSigns, type Sign, SIGNS } from "./signs.ts";

/** Milliseconds a clock may differ before that is worth a word. */
const CLOCK_MS = 30_000;

type Told = Omit<Finding, "unit">;

/** Looks for what would hinder a run, on every host or the one the call is about. Changes nothing. */
export async function* doctor(ctx: ReadContext<SshConnection>): AsyncGenerator<Finding> {
  const { settings, hosts } = ctx.connection;
  const asked = ctx.unit === undefined ? hosts : [hostOf(ctx.connection, ctx.unit)];
  for (const host of asked) {
    const written = settings.hosts.find(({ name }) => name === host.name);
    try {
      if (written !== undefined) yield* named(host, wayOf(host, written, { settings, ctx }));
      yield* named(host, examine(host, settings, ctx));
    } catch (cause) {
      ctx.signal.throwIfAborted();
      yield { ...failureOf(cause), unit: host.name };
    }
  }
}

async function* named(host: RemoteHost, findings: AsyncIterable<Told>): AsyncGenerator<Finding> {
  for await (const finding of findings) yield { ...finding, unit: host.name };
}

/** What is known before anything is sent: where it goes, who vouches for the host. */
async function* wayOf(
  where: RemoteHost,
  host: HostSettings,
  { settings, ctx }: { readonly settings: SshSettings; readonly ctx: ReadContext<SshConnection> },
): AsyncGenerator<Told> {
  const { login } = settings;
  const isProgram = login.transport === "openssh";
  const { jumps, end } = await routeTo(host, { where, login, mayProxy: isProgram }, ctx);
  const way = [...jumps, end].map(({ user, address, port }) => `${user}@${address}:${port}`);
  const source = end.hostKey === undefined ? end.knownHosts.join(", ") : "the config";
  const goes = isProgram ? "the ssh program goes" : "goes";
  yield { level: "ok", text: `${goes} ${way.join(" → ")}; its key is looked up in ${source}` };
}

async function* examine(
  host: RemoteHost,
  settings: SshSettings,
  ctx: ReadContext<SshConnection>,
): AsyncGenerator<Told> {
  const facts = await readFacts(ctx, host, settings.path);
  yield { level: "ok", text: `logged in as ${oneLine(facts.user)}` };
  yield judged(() => refuseUnfit(host, facts, settings.path), `may write to ${settings.path}`);
  yield judged(() => liveOf(host, facts, settings), "`current` is nothing, or a release of ours");
  const [disk] = facts.disks;
  if (disk !== undefined) yield { level: "ok", text: room(disk.freeBytes, facts.freeInodes) };
  yield* limits(host, ctx);
  yield* await engine(host, ctx);

  const needs = needsOf(settings);
  const { PATH } = settings.env;
  const values = {
    COMMANDS: needs.sudo.join("\n"),
    // whether a PATH that is secret leads somewhere is not looked at
    PROGRAMS: isSecret(PATH) ? "" : needs.programs.join("\n"),
    WITH_PATH: typeof PATH === "string" ? PATH : "",
    UNITS: needs.units.join("\n"),
  };
  const before = ctx.now();
  const script = { text: `(${SIGNS}\n)\n${DOCTOR}`, values: { ...values, P: settings.path } };
  const ran = await host.run(ctx, script, { timeoutMs: 30_000 });
  const seen = parseDoctor(ran.stdout);
  yield* parseSigns(ran.stdout).map(atWork);
  yield packing(seen);
  yield clock(seen, { before, after: ctx.now() });
  yield* commands(seen, settings, facts.user);
  if (settings.confirmWithinMs !== undefined && seen.killsAtLogout) {
    yield {
      level: "fail",
      text: "logind ends background processes at logout, so that the watcher of `confirmWithinMs` would not live",
      fix: "Set KillUserProcesses=no in logind.conf, or run `loginctl enable-linger` for the account.",
    };
  }
  if (settings.checks.some((check) => "http" in check)) yield await tunnel(host, ctx);
}

/** What would keep the commands of the config from running. */
function commands(seen: Seen, settings: SshSettings, user: string): Told[] {
  return [
    ...seen.refused.map((command): Told => ({
      level: "fail",
      text: `may not run \`sudo -n ${oneLine(command)}\``,
      fix: `Add to sudoers with visudo: ${user} ALL=(root) ${grantFor(command, settings)}`,
    })),
    ...seen.allowed.map((command): Told => ({
      level: "ok",
      text: `may run \`sudo -n ${oneLine(command)}\``,
    })),
    ...seen.missing.map((program): Told => ({
      level: "fail",
      text: `there is no program ${oneLine(program)}, which a command of the config starts with`,
      fix: "Install it, write its whole path, or set PATH in `env`.",
    })),
    ...seen.unknownUnits.map((unit): Told => ({
      level: "fail",
      text: `systemd there cannot run the unit ${oneLine(unit)}`,
      fix: "Install the unit and run `systemctl daemon-reload`, or correct its name.",
    })),
  ];
}

function judged(look: () => unknown, text: string): Told {
  try {
    look();
    return { level: "ok", text };
  } catch (cause) {
    return failureOf(cause);
  }
}

function failureOf(cause: unknown): Told {
  if (!isLockstepError(cause)) throw cause;
  const { message, hint } = cause;
  return { level: "fail", text: message, ...(hint === undefined ? {} : { fix: hint }) };
}

/** A run of any store: a deploy would have to wait for it. */
function atWork({ heldBy }: Sign): Told {
  const [age = "", run = "", since = "", ...who] = oneLine(heldBy).split(" ");
  return {
    level: "warn",
    text: `${run} (${who.join(" ")}) is at work here, since ${since}; its last sign of life came ${age} s ago`,
    fix: `Wait until it has ended. One that died is let go of ${LEASE_SECONDS} s after its last sign of life.`,
  };
}

function packing({ tools }: Seen): Told {
  if (tools.includes("zstd")) return { level: "ok", text: "uploads are packed with zstd" };
  if (tools.includes("gzip")) {
    return { level: "ok", text: "uploads are packed with gzip; with zstd they would be faster" };
  }
  const fix = "Install zstd or gzip.";
  return { level: "warn", text: "uploads are not packed: there is neither zstd nor gzip", fix };
}

function clock(
  { seconds }: Seen,
  { before, after }: { readonly before: number; readonly after: number },
): Told {
  if (seconds === undefined) return { level: "warn", text: "its clock cannot be read" };
  const theirs = seconds * 1000;
  const off = Math.max(0, before - theirs - 1000, theirs - after);
  if (off <= CLOCK_MS) return { level: "ok", text: "its clock agrees with this machine's" };
  return {
    level: "warn",
    text: `its clock and this machine's are ${Math.round(off / 1000)} s apart`,
    fix: "Nothing here compares clocks, but logs will not fit together: let the host follow a time server.",
  };
}

/** A closed port tells as much as an open one: the server tried. */
async function tunnel(host: RemoteHost, ctx: ReadContext<SshConnection>): Promise<Told> {
  const made = await host.tunnel(ctx, { address: "127.0.0.1", port: 9 });
  if (typeof made !== "string") made.destroy();
  if (made !== "denied") return { level: "ok", text: "HTTP checks can be asked through SSH" };
  return {
    level: "fail",
    text: "its SSH server does not forward connections, which HTTP checks need",
    fix: "Set `AllowTcpForwarding local` for the account, or use commands as checks.",
  };
}

function room(freeBytes: number, freeInodes: number | undefined): string {
  const files = freeInodes === undefined ? "" : `, and ${freeInodes} files can still be made`;
  return `${toGiB(freeBytes)} GiB are free${files}`;
}

function toGiB(bytes: number): string {
  return (bytes / 1_073_741_824).toFixed(1);
}
