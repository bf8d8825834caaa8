import { EXIT } from "@lockstep/events";
import { configOf } from "../open.ts";
import type { RunCommand } from "../program.ts";
import { pluginsOf } from "../render/config.ts";
import { tableText } from "../render/text.ts";

/** `lockstep plugins`: which plugins the config uses, in which version. */
export const runPlugins: RunCommand = async (invocation) => {
  const { shell, flags } = invocation;
  const plugins = pluginsOf(await configOf(invocation), flags.env);
  const rows = plugins.map(({ plugin, version, api, used }) => [
    plugin,
    version,
    String(api),
    used.join(", "),
  ]);
  const table = [["PLUGIN", "VERSION", "CONTRACT", "USED FOR"], ...rows];
  shell.out(flags.output === "text" ? tableText(table) : `${JSON.stringify(plugins)}\n`);
  return EXIT.done;
};
