import type { SshSettings } from "./options.ts";
import { takenBy } from "./steps/container.ts";

/** What the commands of a config need of a host. */
export interface Needs {
  /** What is run through sudo, without `sudo -n` before it. */
  readonly sudo: readonly string[];
  /** Programs that have to be there; those of a release, and those that only root may see, are not among them. */
  readonly programs: readonly string[];
  /** Units that systemd has to know. */
  readonly units: readonly string[];
}

type Words = readonly string[];

/** Reads what is needed off the commands, checks and services of a config. */
export function needsOf(settings: SshSettings): Needs {
  const { service, restart, drain, undrain, prepare, once, container, checks } = settings;
  const everywhere = [restart, drain, undrain, prepare].filter((words) => words !== undefined);
  const written = [...everywhere, ...once.map(({ run }) => run)];
  const looks = checks.some((check) => "process" in check && check.sudo);
  const asRoot: Words[] = [
    ...(service?.sudo === true ? [["systemctl", service.action, service.systemd]] : []),
    ...written.flatMap((words) => (words[0] === "sudo" ? [unprivileged(words)] : [])),
    ...(container?.sudo === true ? [[container.engine, "info"]] : []),
    ...(looks ? [["readlink", "/proc/1/cwd"]] : []),
  ];
  const watched = checks.flatMap((check) =>
    "process" in check && "systemd" in check.process ? [check.process.systemd] : [],
  );
  return {
    sudo: asRoot.map((words) => oneText(words.join(" "))),
    programs: unique(everywhere.map(([program = ""]) => oneText(program)).filter(isOfHost)),
    units: unique([
      ...(service === undefined ? [] : [service.systemd]),
      ...watched,
      ...written.flatMap((words) => unitsOf(unprivileged(words))),
    ]),
  };
}

/**
 * What sudoers has to say for a command that was refused, from the tags on: an engine is called in many ways, and
 * takes variables.
 */
export function grantFor(command: string, { container, env }: SshSettings): string {
  const [program = "", ...words] = command.split(" ");
  const isEngine = container?.sudo === true && program.split("/").at(-1) === container.engine;
  if (isEngine) {
    const isGiven = takenBy(container.options, env).length > 0;
    return `NOPASSWD:${isGiven ? "SETENV:" : ""} ${program}`;
  }
  const looks = words.join(" ") === "/proc/1/cwd";
  const asked = looks ? `${program} /proc/*/cwd, ${program} /proc/*/exe` : command;
  return `NOPASSWD: ${asked}`;
}

/** A command without what makes it root's. */
function unprivileged(words: Words): Words {
  if (words[0] !== "sudo") return words;
  return words.slice(1).filter((word, index) => index > 0 || word !== "-n");
}

/** `systemctl restart shop nginx.service`: the units in it; those of a user's own systemd are left out. */
function unitsOf(words: Words): Words {
  if (words[0]?.split("/").at(-1) !== "systemctl" || words.includes("--user")) return [];
  const [, ...units] = words.slice(1).filter((word) => !word.startsWith("-"));
  return units.map((unit) => oneText(unit));
}

/** `./bin/restart` comes with a release. */
function isOfHost(program: string): boolean {
  return program.startsWith("/") || !program.includes("/");
}

function oneText(text: string): string {
  return text.replaceAll("\n", " ");
}

function unique(all: Words): Words {
  return [...new Set(all)];
}
