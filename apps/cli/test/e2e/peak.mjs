// Loaded into a process by `node --import`: leaves behind the most memory that the process ever held, in bytes.
import { writeFileSync } from "node:fs";
import process from "node:process";

process.on("exit", () => {
  writeFileSync(process.env["PEAK_FILE"], String(process.resourceUsage().maxRSS * 1024));
});
