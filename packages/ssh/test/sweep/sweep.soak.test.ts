import { PLAIN } from "./plain.ts";
import { describeBreaks, describeCrashes } from "./real-hosts.ts";

describeCrashes(PLAIN, {});
describeBreaks(PLAIN, { positions: 100 });
