import { EXIT } from "@lockstep/events";
import { configOf } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { configTable, describeConfig } from "../render/config.ts";

/** `lockstep config`: the config as it was understood, without any secret. */
export const runConfig: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  const described = describeConfig(await configOf(invocation), flags.env);
  shell.out(
    flags.output === "text"
      ? configTable(described, flags.origin === true)
      : `${JSON.stringify(described)}\n`,
  );
  return EXIT.done;
};
